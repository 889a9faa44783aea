"""The only HTTP client for RunPod's API."""
