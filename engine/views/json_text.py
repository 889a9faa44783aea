"""JSON as text: what is stored goes into an answer as it is, instead of being parsed and written again.

A prompt with its workflow has some ten kilobytes, and lists hold a thousand of them.
"""

import json
from collections.abc import Iterable, Sequence

Pieces = Sequence[str]
"""JSON in pieces that are joined once: each copy of some megabytes takes milliseconds"""


def array_pieces(items: Iterable[str]) -> Pieces:
    """The JSON array of *items*, which are JSON themselves."""
    pieces = ["["]
    for item in items:
        pieces += (item, ", ")
    return [*pieces[:-1], "]"] if len(pieces) > 1 else ["[]"]


def object_text(members: Iterable[tuple[str, Pieces]]) -> str:
    """The object of *members*: names, which are plain text, and values."""
    pieces = ["{"]
    for name, value in members:
        pieces += (json.dumps(name), ": ", *value, ", ")
    return "".join((*pieces[:-1], "}")) if len(pieces) > 1 else "{}"


def dumped(value: object) -> Pieces:
    return [json.dumps(value)]
