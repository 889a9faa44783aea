"""The choices of a node's inputs in object_info. Pure.

Source: ComfyUI 0.3.64 to 0.33.0, server.py ``node_info``: older nodes have the list itself, newer ones ``COMBO`` with
``options``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

GROUPS = ("required", "optional")


def inputs_of(info: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and spec of each input of a class; what has another shape is left out."""
    groups = info.get("input")
    for group in GROUPS:
        inputs = groups.get(group) if isinstance(groups, dict) else None
        yield from inputs.items() if isinstance(inputs, dict) else ()


def choices(spec: Any) -> list[str] | None:
    """The texts that an input offers; None when it is not a choice between texts."""
    offered = _offered(spec)
    texts = [item for item in offered if isinstance(item, str)] if isinstance(offered, list) else []
    return texts if isinstance(offered, list) and len(texts) == len(offered) else None


def with_choices(spec: Sequence[Any], offered: Sequence[str]) -> list[Any]:
    """A copy of *spec* that offers these."""
    if isinstance(spec[0], list):
        return [list(offered), *spec[1:]]
    return [spec[0], {**spec[1], "options": list(offered)}, *spec[2:]]


def _offered(spec: Any) -> Any:
    match spec:
        case [list() as offered, *_]:
            return offered
        case ["COMBO", {"options": offered}, *_]:
            return offered
    return None
