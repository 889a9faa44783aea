"""What this worker has, gathered from its ComfyUI and its disk, and told to whoever sends jobs. No job needs it."""
