import os
import socket

import pytest

from engine.errors import CannotStart
from engine.ports import port_owner, require_free, wait_until_listening
from tests.support.ports import free_port
from tests.support.system_stats import serving


def test_the_program_at_a_port_is_named_with_its_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        who = port_owner(server.getsockname()[1])

    assert who is not None
    assert who.startswith("py")
    assert who.endswith(f"(pid {os.getpid()})")


def test_nobody_is_named_at_a_free_port() -> None:
    assert port_owner(free_port()) is None


def test_a_taken_port_is_one_line_with_variable_and_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(CannotStart, match=f"^PROXY_PORT={port}: .* listens there"):
            require_free("127.0.0.1", port, "PROXY_PORT")


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(CannotStart, match=r"^PROXY_PORT=8189: cannot listen at 192\.0\.2\.1"):
        require_free("192.0.2.1", 8189, "PROXY_PORT")


async def test_the_end_of_waiting_is_known() -> None:
    async with serving(200) as url:
        assert await wait_until_listening("127.0.0.1", int(url.rsplit(":", 1)[1]), 5)
    assert not await wait_until_listening("127.0.0.1", free_port(), 0.1)
