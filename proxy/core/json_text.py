"""JSON as text: what is stored goes into an answer as it is, instead of being parsed and written again.

A prompt with its workflow has some ten kilobytes, and lists hold a thousand of them.
"""

import json
from collections.abc import Iterable


def array_text(items: Iterable[str]) -> str:
    """The array of *items*, each of which is JSON."""
    return f"[{', '.join(items)}]"


def object_text(members: Iterable[tuple[str, str]]) -> str:
    """The object of *members*: names, which are plain text, and values, which are JSON."""
    pieces = ["{"]
    for name, value in members:
        pieces += (", " if len(pieces) > 1 else "", json.dumps(name), ": ", value)
    return "".join((*pieces, "}"))  # one copy of what may be megabytes


def dumped(items: Iterable[object]) -> list[str]:
    """Each of *items* as JSON."""
    return [json.dumps(item) for item in items]
