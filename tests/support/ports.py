"""Ports for programs that are told where to listen."""

import random
import socket

_LOWEST, _HIGHEST = 10_000, 22_000
"""below what systems give to outgoing connections (Linux from 32768 on): one of those could be taken meanwhile"""


def free_port(*also: int) -> int:
    """A free port of this machine, of which the ports that lie *also* above it are free too."""
    while True:
        port = random.randrange(_LOWEST, _HIGHEST)
        if all(_is_free(port + offset) for offset in (0, *also)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
