"""The commands in scripts/: what a person runs in a terminal, on the same engine as the proxy."""
