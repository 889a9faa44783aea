"""A prompt with the nodes that its nodes have become: what was posted, and which node each added one stands for.

Source: ComfyUI 0.8.0, comfy_execution/graph.py ``DynamicPrompt``.
"""

from collections.abc import Iterator, Mapping
from typing import Any


class DynamicPrompt(Mapping[str, Mapping[str, Any]]):
    """Reads like the prompt; grows while it runs."""

    def __init__(self, posted: Mapping[str, Any]) -> None:
        self.posted = posted
        self._added: dict[str, Mapping[str, Any]] = {}
        self._parents: dict[str, str] = {}

    def add(self, nodes: Mapping[str, Mapping[str, Any]], parent: str) -> None:
        """*nodes* do the work of *parent*; their ids begin with its id."""
        self._added |= nodes
        self._parents |= dict.fromkeys(nodes, parent)

    def parent(self, node: str) -> str | None:
        return self._parents.get(node)

    def real(self, node: str) -> str:
        """The posted node that *node* belongs to, where the page shows it too."""
        while node in self._parents:
            node = self._parents[node]
        return node

    def __getitem__(self, node: str) -> Mapping[str, Any]:
        return self._added[node] if node in self._added else self.posted[node]

    def __iter__(self) -> Iterator[str]:
        yield from self.posted
        yield from self._added

    def __len__(self) -> int:
        return len(self.posted) + len(self._added)
