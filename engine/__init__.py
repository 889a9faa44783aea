"""Runs a ComfyUI prompt on RunPod, durably. Knows no browser and no terminal: proxy and client both stand on it."""
