"""What the page does to a text before it sends it: one of the choices, the date and the values of other nodes.

Source: ComfyUI_frontend 1.49 src/extensions/core/dynamicPrompts.ts and saveImageExtraOutput.ts,
src/utils/searchAndReplace.ts, ``processDynamicPrompt`` and ``formatDate`` of its formatUtil.ts.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from client.workflow.node import PageNode
from client.workflow.widgets import UNSET

NAMED_OUTPUTS = frozenset({
    "SaveImage", "SaveImageAdvanced", "SaveSVGNode", "SaveVideo", "SaveAnimatedWEBP", "SaveWEBM", "SaveAudio",
    "SaveAudioMP3", "SaveAudioOpus", "SaveAudioAdvanced", "SaveGLB", "Save3DAdvanced", "SaveGaussianSplat",
    "SavePointCloud", "SaveAnimatedPNG", "CLIPSave", "VAESave", "ModelSave", "LoraSave", "SaveLatent",
})  # fmt: skip
"""classes whose ``filename_prefix`` may hold ``%date:…%`` and ``%node.widget%``"""

Choose = Callable[[int], int]
"""a number below the one given"""

_COMMENT = re.compile(r"/\*[\s\S]*?\*/|//.*")
_ESCAPED = re.compile(r"\\([{}|])")
_PLACEHOLDER = re.compile(r"%([^%]+)%")
_DATE = re.compile(r"dd?|MM?|hh?|mm?|ss?|yyy?y?")
_NOT_IN_A_NAME = re.compile(r'[/?<>\\:*|"\x00-\x1f\x7f]')
_DEEPEST = 100


def chosen(text: str, choose: Choose, depth: int = 0) -> str:
    """*text* without comments, and with one choice of each ``{a|b}``."""
    if depth > _DEEPEST:
        return text
    text, found, at = _COMMENT.sub("", text), "", 0
    while at < len(text):
        if text[at] == "\\":
            found += text[at : at + 2]
            at += 2
        elif text[at] == "{":
            options, at = _options(text, at + 1)
            found += chosen(options[choose(len(options))], choose, depth + 1)
        else:
            found += text[at]
            at += 1
    return _ESCAPED.sub(r"\1", found)


def _options(text: str, at: int) -> tuple[list[str], int]:
    """The choices of the block whose content starts at *at*, and where it ends."""
    options, depth = [""], 0
    while at < len(text):
        character = text[at : at + 2] if text[at] == "\\" else text[at]
        at += len(character)
        if character == "}" and not depth:
            break
        depth += (character == "{") - (character == "}")
        if character == "|" and not depth:
            options.append("")
        else:
            options[-1] += character
    return options, at


def replaced(text: str, nodes: Iterable[PageNode], now: datetime) -> str:
    """*text* with the date for ``%date:yyyy-MM-dd%`` and the value of a widget for ``%node.widget%``."""
    found = list(nodes)

    def one(match: re.Match[str]) -> str:
        parts = match[1].split(".")
        if len(parts) != 2:
            return _date(match[1][5:], now) if parts[0].startswith("date:") else match[0]
        return _value(found, *parts, otherwise=match[0])

    return _PLACEHOLDER.sub(one, text)


def _value(nodes: list[PageNode], name: str, widget_name: str, *, otherwise: str) -> str:
    named = [node for node in nodes if _replacement_name(node) == name] or [n for n in nodes if n.title == name]
    widget = named[0].widget(widget_name) if named else None
    return _NOT_IN_A_NAME.sub("_", as_text(widget.value)) if widget else otherwise


def _replacement_name(node: PageNode) -> Any:
    default = None if node.kind in NAMED_OUTPUTS else node.kind
    return node.properties.get("Node name for S&R", default)


def as_text(value: Any) -> str:
    """*value* as JavaScript writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case _ if value is None or value is UNSET:
            return ""
    return str(value)


def _date(pattern: str, now: datetime) -> str:
    parts = {"d": now.day, "M": now.month, "h": now.hour, "m": now.minute, "s": now.second}

    def one(match: re.Match[str]) -> str:
        text = match[0]
        if text == "yy":
            return str(now.year)[2:]
        if text == "yyyy":
            return str(now.year)
        return str(parts[text[0]]).rjust(len(text), "0") if text[0] in parts else text

    return _DATE.sub(one, pattern)
