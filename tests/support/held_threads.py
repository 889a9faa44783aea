"""Threads that are held just before they do something to a file, so that a test can see what happens meanwhile."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LIMIT_S = 60.0


@dataclass
class Held:
    """:attr:`reached` is set when a thread is held; it goes on when :attr:`released` is set."""

    event: str
    below: str
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


_held: list[Held] = []


def _hold(event: str, args: tuple[Any, ...]) -> None:
    for one in _held:
        if event == one.event and any(str(arg).startswith(one.below) for arg in args[:2]):
            one.reached.set()
            one.released.wait(_LIMIT_S)


@contextmanager
def held(event: str, below: Path) -> Iterator[Held]:
    """Threads are held before *event* (of Python's table of audit events) with a path below *below*."""
    if not _hooked.is_set():
        sys.addaudithook(_hold)
        _hooked.set()
    one = Held(event, str(below))
    _held.append(one)
    try:
        yield one
    finally:
        _held.remove(one)
        one.released.set()


_hooked = threading.Event()
