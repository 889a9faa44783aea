import os
import socket

from proxy.occupant import occupant
from tests.support.stack import free_port


def test_the_program_at_a_port_is_named_with_its_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        who = occupant(server.getsockname()[1])

    assert who is not None
    assert who.startswith("py")
    assert who.endswith(f"(pid {os.getpid()})")


def test_nobody_is_named_at_a_free_port() -> None:
    assert occupant(free_port()) is None
