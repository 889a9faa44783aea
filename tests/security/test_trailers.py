"""Chunked bodies with trailers: each gets an answer, and the connection and the process go on."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from proxy.addons.guard import Guard
from proxy.addons.streaming import Streaming
from proxy.websocket.sockets import Sockets
from tests.proxy.addons.conftest import Upstream, running_front
from tests.support.raw import answer_to, request

CHUNKED = ("Transfer-Encoding", "chunked")
BODIES = {
    "one trailer": b"2\r\n{}\r\n0\r\nX-Checksum: 99914b93\r\n\r\n",
    "announced": b"2\r\n{}\r\n0\r\nExpires: never\r\n\r\n",
    "several trailers": b"2\r\n{}\r\n0\r\nA: 1\r\nB: 2\r\nA: 3\r\n\r\n",
    "trailers and no body": b"0\r\nA: 1\r\n\r\n",
    "a trailer that would be a header": b"2\r\n{}\r\n0\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n",
    "a trailer that is not one": b"2\r\n{}\r\n0\r\nnot a trailer\r\n\r\n",
    "no trailer": b"2\r\n{}\r\n0\r\n\r\n",
}


@pytest.fixture
async def front(upstream: Upstream, session: aiohttp.ClientSession) -> AsyncIterator[str]:
    sink = Sockets("http://127.0.0.1:1", session, lambda: 0, lambda: None, lambda: None)
    await sink.start()
    async with running_front(upstream.url, [Guard(sink, allow_remote=False), Streaming()]) as url:
        yield url
    await sink.stop()


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [("/prompt", None, 200), ("/upload/image", None, 200), ("/prompt", "http://evil.example", 403)],
    ids=["read whole", "streamed", "refused"],
)
async def test_a_body_with_trailers_is_answered(
    front: str, upstream: Upstream, path: str, origin: str | None, status: int, body: bytes
) -> None:
    host = front.removeprefix("http://")
    headers = [("Host", host), CHUNKED, ("Trailer", "X-Checksum"), *([("Origin", origin)] if origin else [])]
    answer = await answer_to(front, request("POST", path, headers) + body)

    assert answer.status == status
    assert len(upstream.seen) == (status == 200)


async def test_the_connection_goes_on_after_trailers(front: str, upstream: Upstream) -> None:
    host = ("Host", front.removeprefix("http://"))
    first = request("POST", "/prompt", [host, CHUNKED]) + BODIES["several trailers"]
    second = request("GET", "/queue", [host, ("Connection", "close")])
    reader, writer = await asyncio.open_connection("127.0.0.1", int(front.rpartition(":")[2]))
    writer.write(first + second)
    async with asyncio.timeout(60):
        answers = await reader.read()
    writer.close()

    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert upstream.seen == ["POST /prompt", "GET /queue"]
