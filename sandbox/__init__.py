"""Runs on loopback what is rented in production: a RunPod endpoint and a small ComfyUI."""
