"""Jobs as ComfyUI's routes show them: /queue, /history and /api/jobs. Pure."""
