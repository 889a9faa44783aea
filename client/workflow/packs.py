"""What the scripts of widely used packs do to the widgets of their nodes.

Source: ComfyUI-VideoHelperSuite web/js/VHS.core.js; rgthree-comfy web/comfyui/power_lora_loader.js.
"""

import re
from collections.abc import Iterator
from typing import Any

from client.workflow.node import PageNode
from client.workflow.widgets import Widget

POWER_LORAS = "Power Lora Loader (rgthree)"

_UPLOAD_BUTTON = re.compile(r"choose .{1,40} to upload")


def is_of_a_pack(name: str) -> bool:
    """Whether a saved name is a button or a preview of VideoHelperSuite, which is not sent."""
    return name in ("videopreview", "audiopreview") or _UPLOAD_BUTTON.fullmatch(name) is not None


def names_of_format(node: PageNode) -> Iterator[str]:
    """The inputs that VideoHelperSuite makes for the format that is chosen in *node*."""
    widget = node.widget("format")
    formats = widget.spec.options.get("formats") if widget and widget.spec else None
    if widget is not None and isinstance(formats, dict):
        yield from (entry[0] for entry in formats.get(widget.value) or () if entry and isinstance(entry[0], str))


def power_loras(node: PageNode, values: list[Any]) -> list[Widget]:
    """The rows of rgthree's loader: one value for each LoRA, among values for how the node looks."""
    rows = [value for value in values if isinstance(value, dict) and "lora" in value]
    return [Widget(f"lora_{number}", "named", _row(node, row)) for number, row in enumerate(rows, 1)]


def _row(node: PageNode, row: dict[str, Any]) -> dict[str, Any]:
    """A row as it is sent: the strength for CLIP only where the node shows it."""
    if node.properties.get("Show Strengths") != "Separate Model & Clip":
        return {name: value for name, value in row.items() if name != "strengthTwo"}
    second = row.get("strengthTwo")
    return {**row, "strengthTwo": 1 if second is None else second}
