"""What ComfyUI reports, on its way to RunPod's stream."""
