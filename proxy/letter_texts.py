"""What a letter names: the ids and words in its path and body, by which it is told whose question it answers. Pure.

The routes of the packs that ask: ``id=5&message=0,1`` (cg-image-picker, Easy-Use), ``{"node_id": "5", …}`` (Easy-Use),
a form whose field ``response`` is JSON with a ``graph_id`` (cg-image-filter).
"""

from collections.abc import Iterable, Iterator
from email import policy
from email.parser import BytesParser
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, unquote

from wire import plain_json

_TEXTS_MAX, _TEXT_MAX = 2_000, 200
"""texts that are looked at, and characters of one: ids are short"""
_FIELDS_MAX = 100


def texts_of(value: Any) -> frozenset[str]:
    """The texts and whole numbers anywhere in a JSON *value*, numbers as text."""
    return frozenset(islice(_leaves(value), _TEXTS_MAX))


def texts_of_letter(path: str, content_type: str, body: bytes) -> frozenset[str]:
    """The parts of *path*, the values of its query, and what is in *body*, as far as it can be read."""
    before, _, query = path.partition("?")
    found = [*map(unquote, before.split("/")), *_values(query), *_in_body(content_type.lower(), content_type, body)]
    return frozenset(text for text in found if text and len(text) <= _TEXT_MAX)


def _in_body(kind: str, content_type: str, body: bytes) -> Iterable[str]:
    try:
        if kind.startswith("multipart/form-data"):
            fields = _form(content_type, body)
        elif kind.startswith("application/x-www-form-urlencoded"):
            fields = _values(body.decode())
        else:
            fields = [body.decode()]
    except (ValueError, LookupError):
        return ()
    return [text for field in fields for text in (field, *_json_texts(field))]


def _form(content_type: str, body: bytes) -> list[str]:
    """The fields of a form that have no file in them."""
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    parts = BytesParser(policy=policy.HTTP).parsebytes(head + body).iter_parts()
    plain = (part for part in islice(parts, _FIELDS_MAX) if part.get_filename() is None)
    return [bytes(part.get_payload(decode=True) or b"").decode(errors="replace") for part in plain]


def _values(query: str) -> list[str]:
    return [value for _, value in parse_qsl(query, max_num_fields=_FIELDS_MAX)]


def _json_texts(text: str) -> Iterable[str]:
    try:
        return texts_of(plain_json.loads(text))
    except ValueError:
        return ()


def _leaves(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        match left.pop():
            case bool():
                continue
            case str() as text if text and len(text) <= _TEXT_MAX:
                yield text
            case int() as number:
                yield str(number)
            case dict() as items:
                left += items.values()
            case list() as items:
                left += items
