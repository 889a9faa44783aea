"""Makes JSON fit: pure functions over JSON values."""

import json
from typing import Any

from wire.plain_json import portable

_LIMITS = (64 * 1024, 16 * 1024, 4 * 1024, 1024, 256, 64)


def encode_json(value: object) -> bytes:
    """UTF-8 JSON, as RunPod's SDK posts it; raises ValueError for NaN, infinities and lone surrogates."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")).encode()


def truncate(value: Any, size: int) -> Any:
    """*value* with long texts, then long lists, cut until its JSON is not over *size* bytes; a cut text says so.

    The shape at the top stays: a dict stays a dict. When cutting does not help enough, the smallest result is returned.
    """
    whole = short = portable(value)
    for limit in _LIMITS:
        if len(encode_json(short)) <= size:
            return short
        short = _with_texts_cut(whole, limit)
    for limit in _LIMITS:
        if len(encode_json(short)) <= size:
            return short
        short = _with_lists_cut(short, limit)
    return short


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
