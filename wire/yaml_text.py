"""YAML from outside, such as a manifest of models: no text of it fails in more than one way, or takes for ever."""

from typing import Any

import yaml

from wire.plain_text import one_line

TEXT_MAX = 1024 * 1024
"""characters; a thousand models have a fifth of it"""
_DEEPEST = 50
_KEYS_MAX = 10_000
"""of one mapping; those that merge others (``<<``) multiply"""


class _Loader(yaml.SafeLoader):
    """Counts what grows without end."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} levels deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        if len(node.value) > _KEYS_MAX:
            raise ValueError(f"it has a mapping with more than {_KEYS_MAX} keys")


def loads(text: str) -> Any:
    """The value of *text*. Raises ValueError with one sentence."""
    if len(text) > TEXT_MAX:
        raise ValueError(f"it has more than {TEXT_MAX} characters")
    try:
        return yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(one_line(str(error))) from error
