"""How many connections there may be, and when one is closed."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from mitmproxy.connection import Client
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow

from proxy.addons.connections import FIRST_S, Connections, FairReader


@dataclass
class Transport:
    reader: object = None
    writer: object = None


class Handler:
    """mitmproxy's, as far as the addon knows it."""

    def __init__(self, client: Client, closed: list[str]) -> None:
        self.client, self._closed = client, closed
        self.transports: dict[object, Transport] = {client: Transport(asyncio.StreamReader())}

    def close_connection(self, client: Client) -> None:
        self._closed.append(client.id)


@dataclass
class Bed:
    most: int = 10
    now_s: float = 1000.0
    closed: list[str] = field(default_factory=list)
    handlers: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.connections = Connections(self.most, self.handlers, lambda: self.now_s)

    def connect(self) -> Client:
        client = tflow.tclient_conn()
        client.id = f"c{len(self.handlers)}"
        self.handlers[client.id] = Handler(client, self.closed)
        self.connections.client_connected(client)
        return client

    def overdue(self, after_s: float) -> list[str]:
        self.now_s += after_s
        self.connections.close_overdue()
        return self.closed


async def test_a_connection_that_says_nothing_is_closed_in_time() -> None:
    bed = Bed()
    client = bed.connect()

    assert bed.overdue(FIRST_S - 1) == []
    assert bed.overdue(1) == [client.id]
    assert bed.overdue(1000) == [client.id]


async def test_one_that_has_said_what_it_wants_may_stay() -> None:
    bed = Bed()
    bed.connections.set_deadline(bed.connect().id, None)

    assert bed.overdue(1_000_000) == []


async def test_a_deadline_can_be_set_again() -> None:
    bed = Bed()
    client = bed.connect()
    bed.connections.set_deadline(client.id, None)
    bed.connections.set_deadline(client.id, 5)

    assert bed.overdue(4) == []
    assert bed.overdue(1) == [client.id]


async def test_one_that_has_left_is_forgotten() -> None:
    bed = Bed()
    client = bed.connect()
    del bed.handlers[client.id]
    bed.connections.client_disconnected(client)

    assert bed.overdue(1000) == []


async def test_of_too_many_those_are_closed_that_ask_for_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bed = Bed(most=3)
    asking, *silent = [bed.connect() for _ in range(3)]
    bed.connections.set_deadline(asking.id, None)
    new = [bed.connect() for _ in range(2)]

    assert bed.closed == [client.id for client in silent]
    assert [client.error for client in new] == [None, None]
    assert caplog.text.count("there are 3 connections already") == 1


async def test_too_many_that_ask_are_turned_away_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bed = Bed(most=2)
    for _ in range(2):
        bed.connections.set_deadline(bed.connect().id, None)
    clients = [bed.connect() for _ in range(3)]

    assert [client.error for client in clients] == ["too many connections"] * 3
    assert bed.closed == []
    assert caplog.text.count("there are 2 connections already") == 1


async def test_the_others_have_their_turn_before_what_has_come_is_read() -> None:
    source, turns = asyncio.StreamReader(), list[str]()
    source.feed_data(b"x")

    async def other() -> None:
        turns.append("other")

    task = asyncio.create_task(other())
    read = await FairReader(source).read(65535)

    assert read == b"x"
    assert turns == ["other"]
    await task


async def test_the_looking_ends_with_the_proxy() -> None:
    bed = Bed()
    bed.connections.running()
    await bed.connections.done()

    assert len(asyncio.all_tasks()) == 1


async def test_a_client_is_told_of_a_server_that_mitmproxy_has_forgotten() -> None:
    bed = Bed()
    client, server = bed.connect(), tflow.tserver_conn()
    told, forgotten = ServerConnectionHookData(server, client), Writer()
    bed.connections.server_disconnected(told)
    before = list(bed.closed)
    bed.handlers[client.id].transports[server] = Transport(writer=forgotten)
    bed.connections.server_disconnected(told)

    assert before == []
    assert bed.closed == [client.id]
    assert forgotten.closed


class Writer:
    closed = False

    def close(self) -> None:
        self.closed = True
