"""The GPU side: a RunPod handler that supervises and drives ComfyUI in its container."""
