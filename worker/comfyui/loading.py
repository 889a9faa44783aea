"""Which model ComfyUI loads while it sends nothing. Pure.

Source: ComfyUI 0.3.64 to 0.33.0, comfy/model_management.py ``load_models_gpu``: "Requested to load SDXL", then
"loaded completely …" or "loaded partially …", or "… prepared for dynamic VRAM loading …" (comfy/model_patcher.py).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_REQUESTED = re.compile(r"Requested to load (\S+)")
_OVER = re.compile(r"loaded (?:completely|partially)|prepared for dynamic VRAM loading|Prompt executed|got prompt")
_MODEL = re.compile(r"[^/\\]+\.(?:safetensors|sft|ckpt|pth?|bin|gguf)")


def loading(node: Mapping[str, Any] | None, log: Iterable[str]) -> str | None:
    """What ComfyUI loads, in words for a person; None when it loads nothing.

    *node* is the running node in API format, *log* has the last lines of ComfyUI's log, the oldest first.
    """
    if model := _requested(log):
        return f"Loading {model}"
    if node is not None and "load" in str(node.get("class_type", "")).lower():
        values = (value for value in node.get("inputs", {}).values() if isinstance(value, str))
        names = [match[0] for value in values if (match := _MODEL.search(value))]
        return f"Loading {', '.join(names)}" if names else None
    return None


def _requested(log: Iterable[str]) -> str | None:
    """The model that ComfyUI began to load last, unless the log also says that it is loaded."""
    model: str | None = None
    for line in log:
        if match := _REQUESTED.search(line):
            model = match[1]
        elif _OVER.search(line):
            model = None
    return model
