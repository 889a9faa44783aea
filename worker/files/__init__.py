"""Input files in, output files out, and what is kept of both."""
