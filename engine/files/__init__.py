"""Files on their way: inputs to the worker, results into ComfyUI's folders."""
