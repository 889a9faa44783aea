"""A prompt in ComfyUI's API format as a graph: its classes, its links and values, and which nodes an output needs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeGuard

Prompt = Mapping[str, Mapping[str, Any]]

_WRAPPER = "__value__"
_CLASS_NAME = re.compile(r"(?!\.{1,2}\Z)[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}")


def is_class_name(value: object) -> TypeGuard[str]:
    """Whether *value* can be the name of a node's class: short, without control characters and halves of characters.

    ``.`` and ``..`` cannot, since an address (``/object_info/..``) with them leads elsewhere.
    """
    return isinstance(value, str) and _CLASS_NAME.fullmatch(value) is not None


PAGE_FORMAT = "this is a workflow in the format of ComfyUI's page; save it with 'Export (API)' and send that"
"""what is said to who sends one where a prompt belongs"""


def is_page_format(value: object) -> bool:
    """Whether *value* is a workflow as ComfyUI's page saves it, not a prompt: a list of nodes, and links."""
    return isinstance(value, dict) and isinstance(value.get("nodes"), list) and "links" in value


def unwrapped(value: Any) -> Any:
    """*value* as its node gets it: ComfyUI takes whatever is in ``{"__value__": …}`` out of it, once.

    Source: ComfyUI 0.3.64 to 0.33.0, execution.py ``validate_inputs``.
    """
    return value[_WRAPPER] if isinstance(value, dict) and _WRAPPER in value else value


def wrapped(value: Any) -> Any:
    """*value* as it is written in a prompt, where a bare list would be a link."""
    return {_WRAPPER: value} if isinstance(value, list) else value


def is_link(value: object) -> bool:
    """Whether an input's *value* is the output of another node: ``[node id, slot]``.

    A node id is a text: ``[1, 0]`` is a value, such as a size. Source: ComfyUI, comfy_execution/graph_utils.py.
    """
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def sources(node: Mapping[str, Any]) -> Iterator[str]:
    """The node ids that *node* has links to, in the order of its inputs; they need not be in the prompt."""
    inputs = node.get("inputs")
    yield from (value[0] for value in inputs.values() if is_link(value)) if isinstance(inputs, dict) else ()


def needed(prompt: Prompt, outputs: Iterable[str]) -> list[str]:
    """*outputs* and all nodes that they need, each once, sources first. Links may go round in circles."""
    found: list[str] = []
    seen = set[str]()
    waiting = [(output, False) for output in reversed(list(outputs))]
    while waiting:
        node_id, are_sources_found = waiting.pop()
        if are_sources_found:
            found.append(node_id)
        elif node_id in prompt and node_id not in seen:
            seen.add(node_id)
            waiting.append((node_id, True))
            waiting += [(source, False) for source in reversed(list(sources(prompt[node_id])))]
    return found
