"""The limits of one connection, through real sockets; tests/security/test_request_budgets.py has what they cost."""

import json
from collections.abc import AsyncIterator

import pytest
from mitmproxy import http

from proxy.addons.fail_closed import fail_closed
from proxy.addons.http1 import FIELDS_MAX, HEADER_MAX, TOGETHER_MAX, Held
from proxy.addons.responses import json_response
from proxy.addons.routes import Route, route
from proxy.addons.streaming import Streaming
from tests.proxy.addons.conftest import Upstream, running_front
from tests.support.raw_http import RawClient, raw_client

MIB = 1024 * 1024


class Lengths:
    """Answers a prompt with the number of its bytes."""

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is Route.PROMPT:
            flow.response = json_response(200, len(flow.request.raw_content or b""))


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[RawClient]:
    async with running_front(upstream.url, [Streaming(), Lengths()]) as url, raw_client(url) as opened:
        yield opened


def prompt(*fields: str) -> bytes:
    return "\r\n".join(["POST /prompt HTTP/1.1", "Host: 127.0.0.1", *fields, "", ""]).encode()


async def test_requests_come_one_after_the_other_on_one_connection(client: RawClient) -> None:
    for size in (0, 5, MIB, 3):
        await client.send(prompt(f"Content-Length: {size}"), b"x" * size)

        assert await client.answer() == (200, str(size).encode())


async def test_requests_may_come_all_at_once(client: RawClient) -> None:
    await client.send(*[prompt("Content-Length: 2"), b"xx"] * 20)

    assert [await client.answer() for _ in range(20)] == [(200, b"2")] * 20


async def test_a_header_may_come_in_pieces(client: RawClient) -> None:
    for sign in prompt("Content-Length: 1") + b"x":
        await client.send(bytes([sign]))

    assert await client.answer() == (200, b"1")


@pytest.mark.parametrize("size", [1, 7, 5000])
async def test_a_body_in_chunks_is_whole(client: RawClient, size: int) -> None:
    chunk = b"%x\r\n%s\r\n" % (size, b"x" * size)
    await client.send(prompt("Transfer-Encoding: chunked"), *[chunk] * 100, b"0\r\n\r\n")

    assert await client.answer() == (200, str(size * 100).encode())


async def test_who_asks_before_sending_is_told_to_go_on(client: RawClient) -> None:
    await client.send(prompt("Content-Length: 4", "Expect: 100-continue"))
    told, _ = await client.answer()
    await client.send(b"xxxx")

    assert told == 100
    assert await client.answer() == (200, b"4")


async def test_a_refusal_has_the_shape_of_comfyuis_errors_and_ends_the_connection(client: RawClient) -> None:
    await client.send(prompt(f"Content-Length: {17 * MIB}"))
    status, body = await client.answer()

    assert status == 413
    assert json.loads(body)["error"]["type"] == "request_too_large"
    assert "16 MiB" in json.loads(body)["error"]["message"]


async def test_a_large_header_within_its_limit_is_read(client: RawClient) -> None:
    fields = [f"X: {'x' * 200}"] * (FIELDS_MAX - 10)
    assert sum(map(len, fields)) < HEADER_MAX
    await client.send(prompt("Content-Length: 0", *fields))

    assert await client.answer() == (200, b"0")


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(upstream: Upstream) -> None:
    async with running_front(upstream.url, [Streaming(), Lengths()]) as url:
        for part in (b"POST /pro", prompt("Content-Length: 9"), prompt("Content-Length: 900000") + b"x" * 500_000):
            async with raw_client(url) as client:
                await client.send(part)
        async with raw_client(url) as client:
            await client.send(prompt("Content-Length: 1"), b"x")

            assert await client.answer() == (200, b"1")


def test_bodies_share_their_room_and_give_it_back() -> None:
    held, one, other = Held(), Client(), Client()

    assert held.has_room(one, TOGETHER_MAX)
    assert held.has_room(other, 1000)
    assert not held.has_room(other, 100_000)
    held.let_go(other)
    held.let_go(one)
    assert held.has_room(other, TOGETHER_MAX)
    del other
    assert held.has_room(one, TOGETHER_MAX)


class Client:
    """Stands for a connection."""
