"""Makes JSON fit: pure functions over JSON values."""

import json
import math
from typing import Any

_LIMITS = (64 * 1024, 16 * 1024, 4 * 1024, 1024, 256, 64)


def encode_json(value: object) -> bytes:
    """UTF-8 JSON, as RunPod's SDK posts it; raises ValueError for NaN, infinities and lone surrogates."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode()


def cleaned(value: Any) -> Any:
    """*value* with what JSON or UTF-8 cannot express replaced: NaN and infinities by None, lone surrogates by "?"."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {cleaned(str(key)): cleaned(item) for key, item in value.items()}
        case list() | tuple():
            return [cleaned(item) for item in value]
        case _:
            return value


def trimmed(value: Any, size: int) -> Any:
    """*value* with long texts, then long lists, cut and marked until its JSON is not over *size* bytes.

    The shape at the top stays: a dict stays a dict. What cannot be made to fit is returned as small as it gets.
    """
    value = cleaned(value)
    for limit in _LIMITS:
        if len(encode_json(value)) <= size:
            return value
        value = _with_texts_cut(value, limit)
    for limit in _LIMITS:
        if len(encode_json(value)) <= size:
            return value
        value = _with_lists_cut(value, limit)
    return value


def _with_texts_cut(value: Any, limit: int) -> Any:
    match value:
        case str() if len(value) > limit:
            return f"{value[:limit]}… [{len(value) - limit} more characters were cut]"
        case dict():
            return {key: _with_texts_cut(item, limit) for key, item in value.items()}
        case list():
            return [_with_texts_cut(item, limit) for item in value]
        case _:
            return value


def _with_lists_cut(value: Any, limit: int) -> Any:
    match value:
        case dict():
            return {key: _with_lists_cut(item, limit) for key, item in value.items()}
        case list():
            return [_with_lists_cut(item, limit) for item in value[:limit]]
        case _:
            return value
