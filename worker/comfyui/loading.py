"""What ComfyUI loads while nothing else happens. Pure.

Source: ComfyUI 0.3.64 and 0.8.0, comfy/model_management.py ``load_models_gpu``: "Requested to load SDXL", then
"loaded completely …" or "loaded partially …".
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_REQUESTED = re.compile(r"Requested to load (\S+)")
_OVER = re.compile(r"loaded (?:completely|partially)|Prompt executed|got prompt")
_MODEL = re.compile(r"[^/\\]+\.(?:safetensors|sft|ckpt|pth?|bin|gguf)")


def loading(node: Mapping[str, Any] | None, log: Iterable[str]) -> str | None:
    """What a person reads, None when nothing is being loaded.

    *node* is the running one in API format; *log* the last lines of ComfyUI's, the oldest first.
    """
    if model := _requested(log):
        return f"Loading {model}"
    if node is not None and "load" in str(node.get("class_type", "")).lower():
        values = (value for value in node.get("inputs", {}).values() if isinstance(value, str))
        names = [match[0] for value in values if (match := _MODEL.search(value))]
        return f"Loading {', '.join(names)}" if names else None
    return None


def _requested(log: Iterable[str]) -> str | None:
    """The model that the log asks for last, unless it also says that this is over."""
    model: str | None = None
    for line in log:
        if match := _REQUESTED.search(line):
            model = match[1]
        elif _OVER.search(line):
            model = None
    return model
