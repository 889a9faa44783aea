"""send-to-runpod.py: runs a workflow and saves its results."""
