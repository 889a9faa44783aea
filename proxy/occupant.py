"""Who listens at a port of this machine, as far as the system tells."""

import contextlib
from collections.abc import Iterator

import psutil


def occupant(port: int) -> str | None:
    """The program that listens at *port*, as ``name (pid 12)``; None when nobody may be named."""
    for pid in _listeners(port):
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            return f"{_name(process)} (pid {pid})"
    return None


def _listeners(port: int) -> Iterator[int]:
    try:
        yield from _matching(psutil.net_connections("tcp"), port)
    except psutil.AccessDenied:  # macOS shows only the connections of one's own processes, and only one by one
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in process.net_connections("tcp")):
                    yield process.pid


def _matching(connections: list[psutil._ntuples.sconn], port: int) -> Iterator[int]:
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid:
            yield connection.pid


def _name(process: psutil.Process) -> str:
    """What a person knows it by: the script or module behind an interpreter, else the program."""
    program = process.name()
    words = process.cmdline()[1:]
    if not program.startswith("python"):
        return program
    shown = [word for word in words if not word.startswith("-")][:1]
    return f"{program} {shown[0]}" if shown else program
