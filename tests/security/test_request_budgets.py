"""Requests without a budget: what a client sends to the proxy, over raw sockets, and what ComfyUI answers to it.

Promise: whatever comes, the proxy's memory grows by no more than 64 MB and nobody waits for it longer than 50 ms.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio

from tests.support.measured import needs_proc
from tests.support.measured_proxy import MeasuredProxy, measured_proxy
from tests.support.raw_http import raw_client

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_proc]

MB = 1_000_000
CHUNKED, ASKS = "Transfer-Encoding: chunked", "Expect: 100-continue"
GIGABYTE = f"Content-Length: {1000 * MB}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MeasuredProxy]:
    async with measured_proxy(tmp_path_factory.mktemp("home")) as running:
        yield running


def filled(filling: bytes, size: int) -> list[bytes]:
    """*size* bytes, of which there are a million in memory."""
    return [filling * (MB // len(filling))] * (size // MB)


def chunked(filling: bytes, size: int) -> list[bytes]:
    return [b"%x\r\n%s\r\n" % (MB, piece) for piece in filled(filling, MB)] * (size // MB)


def packed(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*map(packer.compress, filled(b" ", size)), packer.flush()])


def sized(body: bytes) -> tuple[list[str], list[bytes]]:
    return [f"Content-Length: {len(body)}"], [body]


def many_classes(count: int) -> bytes:
    nodes = ",".join(f'"{number}": {{"class_type": "C{number}", "inputs": {{}}}}' for number in range(count))
    return f'{{"prompt": {{{nodes}}}}}'.encode()


BOMB = packed(200 * MB)
ENDED = [*chunked(b"x", 100 * MB), b"0\r\n\r\n"]
Case = tuple[str, Sequence[str], Sequence[bytes], int]
CASES: dict[str, Case] = {
    "a prompt of a gigabyte": ("POST /prompt", [GIGABYTE], filled(b"x", 1000 * MB), 413),
    "a prompt of a gigabyte, by the other path": ("POST /api/prompt", [GIGABYTE], filled(b"x", 100 * MB), 413),
    "a prompt of a gigabyte that asks first": ("POST /prompt", [GIGABYTE, ASKS], [], 413),
    "a prompt of a gigabyte in chunks": ("POST /prompt", [CHUNKED], chunked(b"x", 1000 * MB), 413),
    "chunks that ask first": ("POST /prompt", [CHUNKED, ASKS], chunked(b"x", 100 * MB), 100),
    "a queue of a gigabyte": ("POST /queue", [GIGABYTE], filled(b"x", 100 * MB), 413),
    "a queue in chunks": ("POST /api/queue", [CHUNKED], chunked(b"x", 100 * MB), 413),
    "a queue that is asked for with a body": ("GET /queue", [CHUNKED], chunked(b"x", 100 * MB), 413),
    "a history in chunks": ("POST /history", [CHUNKED], chunked(b"x", 100 * MB), 413),
    "an interruption in chunks": ("POST /interrupt", [CHUNKED], chunked(b"x", 100 * MB), 413),
    "cancellations in chunks": ("POST /api/jobs/cancel", [CHUNKED], chunked(b"x", 100 * MB), 413),
    "our own page in chunks": ("POST /runpod/api/jobs/x/cancel", [CHUNKED], chunked(b"x", 100 * MB), 413),
    "an upload that wants another protocol": ("POST /view", [CHUNKED, "Upgrade: x"], chunked(b"x", 100 * MB), 413),
    "chunks of one byte": ("POST /queue", [CHUNKED], filled(b"1\r\nx\r\n", 12 * MB), 400),
    "an upload in chunks of one byte": ("POST /upload/image", [CHUNKED], filled(b"1\r\nx\r\n", 12 * MB), 400),
    "chunks of some bytes": ("POST /queue", [CHUNKED], filled(b"14\r\nxxxxxxxxxxxxxxxxxxxx\r\n", 12 * MB), 413),
    "the size of a chunk without end": ("POST /queue", [CHUNKED], filled(b"0", 50 * MB), 400),
    "what is said of a chunk without end": ("POST /queue", [CHUNKED], [b"1;", *filled(b"x", 50 * MB)], 400),
    "a compressed prompt": ("POST /prompt", [f"Content-Length: {len(BOMB)}", "Content-Encoding: gzip"], [BOMB], 400),
    "a compressed queue": ("POST /queue", [f"Content-Length: {len(BOMB)}", "Content-Encoding: gzip"], [BOMB], 200),
    "an unknown compression": ("POST /prompt", ["Content-Length: 2", "Content-Encoding: br"], [b"{}"], 400),
    "a prompt of many values": ("POST /prompt", *sized(b'{"prompt": {"1": [' + b"{}," * 4 * MB + b"1]}}"), 400),
    "a prompt of many classes": ("POST /prompt", *sized(many_classes(40_000)), 400),
    "a prompt with much text": (
        "POST /prompt",
        *sized(b'{"prompt": {"1": {"class_type": "A", "inputs": {"a": "' + b"x" * 5 * MB + b'"}}}}'),
        200,
    ),
    "a field without end": ("GET /queue", ["X: " + "x" * 10 * MB], [], 431),
    "fields without end": ("GET /queue", ["X: x"] * 300_000, [], 431),
    "a path without end": ("GET /" + "x" * 10 * MB, [], [], 431),
    "some hundred fields": ("GET /queue", ["X: x"] * 300, [], 431),
    "more than was said": ("POST /queue", ["Content-Length: 2"], [b"{}", *filled(b"x", 10 * MB)], 400),
    "a negative length": ("POST /prompt", ["Content-Length: -1"], filled(b"x", MB), 400),
    "a length that is none": ("POST /prompt", ["Content-Length: many"], filled(b"x", MB), 400),
    "two lengths": ("POST /prompt", ["Content-Length: 5", "Content-Length: 6"], filled(b"x", MB), 400),
    "a length and chunks": ("POST /prompt", ["Content-Length: 5", CHUNKED], chunked(b"x", 20 * MB), 400),
}


@pytest.mark.parametrize(("line", "fields", "body", "status"), CASES.values(), ids=CASES)
async def test_what_a_client_sends_has_a_budget(
    proxy: MeasuredProxy, line: str, fields: Sequence[str], body: Sequence[bytes], status: int
) -> None:
    await proxy.running.cost_so_far()
    answered, _ = await proxy.asked(proxy.head(line, *fields), *body)
    cost = await proxy.running.cost_so_far()

    assert answered == status
    cost.require()


async def test_an_upload_has_no_limit_of_ours(proxy: MeasuredProxy) -> None:
    before = proxy.comfyui.received["/upload/image"]
    for fields, body in (([f"Content-Length: {100 * MB}"], filled(b"x", 100 * MB)), ([CHUNKED], ENDED)):
        await proxy.running.cost_so_far()
        status, _ = await proxy.asked(proxy.head("POST /upload/image", *fields), *body)
        cost = await proxy.running.cost_so_far()

        assert status == 200
        cost.require()
    assert proxy.comfyui.received["/upload/image"] - before == 200 * MB


@pytest.mark.parametrize("path", ["/history", "/queue", "/prompt", "/extensions", "/view", "/history/x"])
@pytest.mark.parametrize("more", ["", "&chunked"], ids=["known", "unknown"])
async def test_an_answer_that_is_too_long_to_be_read_passes_unchanged(
    proxy: MeasuredProxy, path: str, more: str
) -> None:
    async with aiohttp.ClientSession() as session:
        await proxy.running.cost_so_far()
        received = 0
        async with session.get(f"{proxy.url}{path}?size={100 * MB}{more}") as response:
            async for piece in response.content.iter_any():
                received += len(piece)
        cost = await proxy.running.cost_so_far()

    assert received == 100 * MB + 2
    cost.require()


async def test_what_comes_behind_a_request_has_a_budget(proxy: MeasuredProxy) -> None:
    await proxy.running.cost_so_far()
    status, _ = await proxy.asked(proxy.head("GET /view?hold"), *filled(b"x", 100 * MB))
    cost = await proxy.running.cost_so_far()

    assert status == 400
    cost.require()


async def test_large_bodies_share_one_budget_and_small_ones_need_none(proxy: MeasuredProxy) -> None:
    prompt = proxy.head("POST /prompt", f"Content-Length: {15 * MB}")
    half = b"x" * 10 * MB
    async with AsyncExitStack() as exits:
        await proxy.running.cost_so_far()
        many = [await exits.enter_async_context(raw_client(proxy.url)) for _ in range(12)]
        await asyncio.gather(*(client.send(prompt, half) for client in many))
        refused = [await client.answer() for client in many if not await client.is_silent(2)]
        small, _ = await proxy.asked(proxy.head("POST /prompt", "Content-Length: 50000"), b" " * 50_000)
        cost = await proxy.running.cost_so_far()

    assert {status for status, _ in refused} == {503}
    assert 9 <= len(refused) < 12
    assert small == 400
    cost.require()


async def test_the_budget_is_given_back(proxy: MeasuredProxy) -> None:
    async with raw_client(proxy.url) as client:
        for _ in range(6):
            await client.send(proxy.head("POST /prompt", f"Content-Length: {15 * MB}"), b"x" * 15 * MB)

            assert (await client.answer())[0] == 400  # it is not JSON
    for _ in range(6):
        async with raw_client(proxy.url) as client:
            await client.send(proxy.head("POST /prompt", f"Content-Length: {15 * MB}"), b"x" * 14 * MB)
    status, _ = await proxy.asked(proxy.head("POST /prompt", f"Content-Length: {15 * MB}"), b"x" * 15 * MB)

    assert status == 400
