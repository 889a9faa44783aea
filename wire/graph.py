"""A prompt in ComfyUI's API format as a graph: what is a link, and which nodes an output needs."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Prompt = Mapping[str, Mapping[str, Any]]


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
