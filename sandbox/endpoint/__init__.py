"""A RunPod serverless endpoint on loopback: the public v2 API, the workers' side, and real workers behind it."""
