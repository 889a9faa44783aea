"""Changes: what makes another JSON value of one. Pure.

Custom nodes change a prompt of some hundred kilobytes in a few places, so only the places travel.
"""

import copy
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

Step = str | int
"""the name of a member, or the index of an item"""


class Change(BaseModel):
    """The place that *path* leads to has another *value*, or is removed from its object."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: tuple[Step, ...]
    value: Any = None
    is_removed: bool = False


def difference(before: Any, after: Any, path: tuple[Step, ...] = ()) -> Iterator[Change]:
    """The changes that make *after* of *before*. Lists of different lengths are replaced as a whole."""
    match before, after:
        case dict(), dict():
            for name in before.keys() - after.keys():
                yield Change(path=(*path, name), is_removed=True)
            for name, value in after.items():
                if name in before:
                    yield from difference(before[name], value, (*path, name))
                else:
                    yield Change(path=(*path, name), value=value)
        case list(), list() if len(before) == len(after):
            for at, (older, newer) in enumerate(zip(before, after, strict=True)):
                yield from difference(older, newer, (*path, at))
        case _ if not _is_same(before, after):
            yield Change(path=path, value=after)


def applied(value: Any, changes: Iterable[Change]) -> Any:
    """A copy of *value* with *changes*; one whose place does not exist is left out."""
    around = [copy.deepcopy(value)]
    for change in changes:
        _apply(around, (0, *change.path), change)
    return around[0]


def _is_same(one: Any, other: Any) -> bool:
    """JSON has one kind of number: 8 and 8.0 are the same; Python's True is not 1 there."""
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _apply(place: Any, path: tuple[Step, ...], change: Change) -> None:
    *way, last = path
    for step in way:
        if not _has(place, step):
            return
        place = place[step]
    if isinstance(place, dict) and isinstance(last, str):
        _set(place, last, change)
    elif isinstance(place, list) and isinstance(last, int) and _has(place, last):
        place[last] = change.value


def _set(place: dict[str, Any], name: str, change: Change) -> None:
    if change.is_removed:
        place.pop(name, None)
    else:
        place[name] = change.value


def _has(place: Any, step: Step) -> bool:
    if isinstance(place, dict):
        return step in place
    return isinstance(place, list) and isinstance(step, int) and 0 <= step < len(place)
