"""Prompts in API format that any ComfyUI can run without a model."""

from typing import Any

Prompt = dict[str, dict[str, Any]]


def inverted_image(color: int = 0x336699, prefix: str = "ComfyUI", size: int = 64, batch: int = 1) -> Prompt:
    """EmptyImage (1) → ImageInvert (2) → SaveImage (3)."""
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": size, "height": size, "batch_size": batch, "color": color},
            "_meta": {"title": "EmptyImage"},
        },
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}, "_meta": {"title": "Invert Image"}},
        "3": {
            "class_type": "SaveImage",
            "inputs": {"filename_prefix": prefix, "images": ["2", 0]},
            "_meta": {"title": "Save Image"},
        },
    }


def inverted_file(name: str) -> Prompt:
    """LoadImage (1) → ImageInvert (2) → SaveImage (3)."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"filename_prefix": "inverted", "images": ["2", 0]}},
    }


def slow_image(seconds: float, prefix: str = "slow", color: int = 0, size: int = 64) -> Prompt:
    """As :func:`inverted_image`, with a node (2) in the middle that takes its time, in steps of 0.1 s with previews."""
    prompt = inverted_image(color=color, prefix=prefix, size=size)
    inputs = {"image": ["1", 0], "steps": round(seconds * 10), "seconds_per_step": 0.1}
    return {**prompt, "2": {"class_type": "SandboxSlow", "inputs": inputs}}


def failing_image(message: str) -> Prompt:
    """As :func:`inverted_image`, with a node (2) in the middle that raises."""
    prompt = inverted_image()
    return {**prompt, "2": {"class_type": "SandboxFail", "inputs": {"image": ["1", 0], "message": message}}}
