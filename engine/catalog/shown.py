"""Which of an endpoint's definitions the page can show, and how: it is data from outside, and the page trusts it.

Source: comfyui-frontend-package 1.27.10 to 1.58.1. ``zComfyNodeDef`` (src/schemas/nodeDefSchema.ts) is the shape of a
definition; the page does not check it unless a setting says so, and shows no node at all when one of them breaks it.
Up to 1.35 the menus of litegraph write the choices of an input as HTML (``ContextMenu``), and node previews write the
description as HTML that was Markdown.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_NAME_MAX = 300
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_STYLE = re.compile(r"<style", re.IGNORECASE)
_PICTURE = re.compile(r"!(?=\[)")
_JOINER = "\u2060"
"""an invisible sign: what stands before and behind it no longer begins a tag, or a picture in Markdown"""
_TEXTS = ("display_name", "description", "category", "python_module")
_GROUPS = ("required", "optional")


def is_shown_name(name: object) -> bool:
    """Whether the page can show *name*, of a class, an input or a model, and is not harmed by it."""
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_MAX or name == "__proto__":
        return False
    return _CONTROL.search(name) is None and not _is_active(name)


def shown_choices(choices: Iterable[Any]) -> list[Any]:
    """*choices* without the ones that a page would run as HTML. A choice is sent as it is, so none can be changed."""
    return [choice for choice in choices if not _is_active(_shown_of(choice))]


def shown_definition(name: str, info: Mapping[str, Any]) -> dict[str, Any] | None:
    """The definition of class *name*, harmless; None if it does not have the shape that the page needs."""
    if not is_shown_name(name) or not _is_definition(name, info):
        return None
    shown: dict[str, Any] = {key: _harmless(value) for key, value in info.items()}
    groups = info.get("input") or {}
    shown["input"] = {
        group: {key: _shown_spec(spec) for key, spec in inputs.items()}
        if group in _GROUPS and inputs is not None
        else _harmless(inputs)
        for group, inputs in groups.items()
    }
    absent = {"name": name, "output": [], "category": "sd"}  # as ComfyUI's server.py fills them in
    return shown | {key: value for key, value in absent.items() if shown.get(key) is None}


def _is_definition(name: str, info: Mapping[str, Any]) -> bool:
    texts = all(isinstance(info.get(key), str | None) for key in _TEXTS)
    lists = all(isinstance(info.get(key), list | None) for key in ("output", "output_is_list", "output_name"))
    flags = all(isinstance(info.get(key), bool | None) for key in ("output_node", "deprecated", "experimental"))
    groups = info.get("input") or {}
    return (
        texts
        and lists
        and flags
        and info.get("name") in (None, name)
        and all(isinstance(output, str | list) for output in info.get("output") or ())
        and isinstance(groups, dict)
        and all(_is_group(groups.get(group)) for group in _GROUPS)
    )


def _is_group(inputs: Any) -> bool:
    if inputs is None:
        return True
    return isinstance(inputs, dict) and all(is_shown_name(key) and _is_spec(spec) for key, spec in inputs.items())


def _is_spec(spec: Any) -> bool:
    """``["INT", {…}]``, ``[[choices], {…}]``, without options, or only ``"INT"``."""
    if isinstance(spec, str):
        return spec != ""
    return isinstance(spec, list) and bool(spec) and isinstance(spec[0], str | list)


def _shown_spec(spec: Any) -> Any:
    if isinstance(spec, list) and isinstance(spec[0], list):
        return [shown_choices(spec[0]), *_harmless(spec[1:])]
    return _harmless(spec)


def _harmless(value: Any, key: str = "") -> Any:
    match value:
        case str():
            return value if key == "default" else _inert(value)
        case dict():
            return {name: _harmless(item, name) for name, item in value.items() if not _leads_away(name, item)}
        case list():
            items = shown_choices(value) if key == "options" else value
            return [item if key == "options" and isinstance(item, str) else _harmless(item) for item in items]
    return value


def _leads_away(name: str, value: Any) -> bool:
    """Whether this is where the page fetches an input's choices by itself, and not an address of ComfyUI."""
    if name != "remote" or not isinstance(value, dict):
        return False
    route = value.get("route")
    return not isinstance(route, str) or not route.startswith("/") or route[1:2] in ("/", "\\")


def _inert(text: str) -> str:
    if _is_active(text):
        text = _TAG.sub(f"<{_JOINER}", text)
    return _PICTURE.sub(f"!{_JOINER}", text)


def _is_active(text: str) -> bool:
    """Whether a page that takes *text* for HTML would get more of it than letters: a tag with attributes, or style."""
    tag = _TAG.search(text)
    return tag is not None and ("=" in text[tag.end() :] or _STYLE.search(text) is not None)


def _shown_of(choice: Any) -> str:
    """The text of a choice. Those of COMFY_DYNAMICCOMBO_V3 are objects with a key."""
    key = choice.get("key") if isinstance(choice, dict) else choice
    return key if isinstance(key, str) else ""
