"""A small ComfyUI for machines without one: the real frontend, real routes and messages, model-free nodes."""
