"""Ports of this machine: whether one is free, who listens there, and when somebody does."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import psutil

from engine.errors import CannotStart

_POLL_S = 0.05


def require_free(host: str, port: int, variable: str) -> None:
    """Raises CannotStart when nothing can listen at *host* and *port*."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                who = port_owner(port) or "another program"
                raise CannotStart(f"{variable}={port}: {who} listens there; stop it or choose another port") from None
            raise CannotStart(f"{variable}={port}: cannot listen at {host}: {error.strerror}") from None


async def wait_until_listening(host: str, port: int, timeout_s: float) -> bool:
    """Whether something accepted a connection at *host* and *port* within *timeout_s*."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    return True
                await asyncio.sleep(_POLL_S)
    return False


def port_owner(port: int) -> str | None:
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
