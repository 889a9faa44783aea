"""Stands between the browser and the local ComfyUI: Run goes to RunPod, everything else to ComfyUI."""
