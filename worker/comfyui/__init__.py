"""The ComfyUI beside the worker: started, watched, spoken to, diagnosed."""
