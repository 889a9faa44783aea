"""JSON that every browser can parse: without NaN and infinite numbers, which Python's json reads and writes.

A browser's own ``JSON.stringify`` writes ``null`` for them; so do we.
"""

import json
import math
from collections.abc import Callable
from itertools import chain
from typing import Any


def loads(text: str | bytes) -> Any:
    """The value of *text*, with None for NaN, Infinity and numbers that are too large. Raises ValueError."""
    try:
        return json.loads(text, parse_constant=_none, parse_float=_float)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def dumps(value: object) -> str:
    """*value* as JSON, with ``null`` for NaN and infinite numbers."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(finite(value), allow_nan=False)


def finite(value: Any) -> Any:
    """*value* with None for NaN and infinite numbers, at any depth."""
    return _replaced(value, lambda text: text)


def portable(value: Any) -> Any:
    """*value* as :func:`finite`, with "?" for halves of surrogate pairs, which neither UTF-8 nor SQLite can hold."""
    return _replaced(value, lambda text: text if text.isascii() else text.encode("utf-8", "replace").decode())


def is_deeper(value: Any, levels: int) -> bool:
    """Whether *value* has lists and objects inside each other on more than *levels* levels."""
    level = [value] if isinstance(value, dict | list) else []
    while level and levels > 0:
        items = (item for found in level for item in (found.values() if isinstance(found, dict) else found))
        level, levels = [item for item in items if isinstance(item, dict | list)], levels - 1
    return bool(level)


def count_values(value: Any, most: int, deepest: int) -> int:
    """How many values are in *value*; *most* + 1 when there are more, or it is nested more deeply than *deepest*."""
    level, found = [value], 1
    for _ in range(deepest):
        containers = [item for item in level if isinstance(item, dict | list)]
        found += sum(map(len, containers))
        if not containers or found > most:
            return min(found, most + 1)
        level = list(chain.from_iterable(item.values() if isinstance(item, dict) else item for item in containers))
    return most + 1


def _replaced(value: Any, replaced: Callable[[str], str]) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case str():
            return replaced(value)
        case dict():
            return {replaced(str(key)): _replaced(item, replaced) for key, item in value.items()}
        case list() | tuple():
            return [_replaced(item, replaced) for item in value]
    return value


def _none(_: str) -> None:
    return None


def _float(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
