"""Makes JSON fit: pure functions over JSON values."""

import json
from typing import Any

from wire.limits import EVENT_DEPTH_MAX, EVENT_VALUES_MAX
from wire.plain_json import count_values, portable

_DEPTH_MAX = EVENT_DEPTH_MAX - 8
"""of a part of an event"""
_LIMITS = (64 * 1024, 16 * 1024, 4 * 1024, 1024, 256, 64)


def encode_json(value: object) -> bytes:
    """UTF-8 JSON, as RunPod's SDK posts it; raises ValueError for NaN, infinities and lone surrogates."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode()


def truncate(value: Any, size: int, values: int = EVENT_VALUES_MAX) -> Any:
    """*value* with long texts, then long lists, cut until its JSON is not over *size* bytes, and has no more than so
    many *values*; a cut text says so.

    The shape at the top stays: a dict stays a dict. When cutting does not help enough, the smallest result is returned,
    and an empty one instead of too many values.
    """
    whole = short = portable(value)
    for limit in _LIMITS:
        if len(encode_json(short)) <= size:
            break
        short = _with_texts_cut(whole, limit)
    for limit in _LIMITS:
        if len(encode_json(short)) <= size and is_small(short, values):
            return short
        short = _with_lists_cut(short, limit)
    return short if is_small(short, values) else type(short)()


def is_small(value: Any, values: int) -> bool:
    """Whether *value* has no more than so many *values*, and is not nested too deeply."""
    return count_values(value, values, _DEPTH_MAX) <= values


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
