"""Ports for programs that are told where to listen."""

import itertools
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

_LOWEST, _HIGHEST, _BLOCK = 10_000, 22_000, 500
"""below what systems give to outgoing connections (Linux from 32768 on): one of those could be taken meanwhile"""


def free_port(*also: int) -> int:
    """A free port of this machine, of which the ports that lie *also* above it are free too.

    Another process that runs tests never gets it, so a port where nobody is to listen stays silent.
    """
    return next(port for port in _ports() if all(_is_free(port + offset) for offset in (0, *also)))


@cache
def _ports() -> Iterator[int]:
    """The ports of this process, over and over; they are its own until it ends."""
    first, lock = _claim()
    with lock:
        yield from itertools.cycle(range(first, first + _BLOCK))


def _claim() -> tuple[int, FileLock]:
    """The first port of a block that no other process has, and the lock that says so."""
    for first in range(_LOWEST, _HIGHEST, _BLOCK):
        lock = FileLock(Path(tempfile.gettempdir()) / f"comfy-runpod-tests-{first}.lock", blocking=False)
        with suppress(Timeout):
            lock.acquire()
            return first, lock
    raise RuntimeError("more processes run tests than there are blocks of ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
