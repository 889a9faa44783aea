"""Websockets without a budget: what a page, ComfyUI and a worker send through them.

Promise: as for requests. A message that is over its budget ends its connection, and no other.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
import pytest_asyncio

from tests.support.measured import needs_proc
from tests.support.measured_proxy import MeasuredProxy, measured_proxy
from tests.support.until import until
from wire.comfy import PreviewFrame, TextFrame, render_preview, render_progress_text

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_proc]

MB = 1_000_000
_HELLO = '{"type": "hello", "data": {}}'
Page = aiohttp.ClientWebSocketResponse


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MeasuredProxy]:
    async with measured_proxy(tmp_path_factory.mktemp("home")) as running:
        yield running


@asynccontextmanager
async def page(proxy: MeasuredProxy, sid: str) -> AsyncIterator[Page]:
    """A page whose socket is bridged to ComfyUI's."""
    proxy.comfyui.sockets.pop(sid, None)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{proxy.url}/ws?clientId={sid}", max_msg_size=0) as socket,
    ):
        await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        assert (await socket.receive_json(timeout=20))["data"]["sid"] == sid
        yield socket


async def is_bridged(proxy: MeasuredProxy, sid: str, socket: Page) -> bool:
    """Whether what ComfyUI says arrives."""

    async def there() -> bool:
        return sid in proxy.comfyui.sockets and not proxy.comfyui.sockets[sid].closed

    await until(there)
    await proxy.comfyui.sockets[sid].send_str(_HELLO)
    async with asyncio.timeout(60):
        while (await socket.receive()).data != _HELLO:
            pass
    return True


SENT: dict[str, Callable[[], str | bytes]] = {
    "a text": lambda: "x" * 100 * MB,
    "bytes": lambda: bytes(100 * MB),
    "a text just over the limit": lambda: "x" * (MB + 50_000),
}


@pytest.mark.parametrize("make", SENT.values(), ids=SENT)
async def test_what_a_page_sends_has_a_budget(proxy: MeasuredProxy, make: Callable[[], str | bytes]) -> None:
    sent = make()
    async with page(proxy, "good") as good:
        async with page(proxy, "bad") as bad:
            await proxy.running.cost_so_far()
            with pytest.raises((ConnectionError, aiohttp.ClientError)):
                await (bad.send_str if isinstance(sent, str) else bad.send_bytes)(sent)  # type: ignore[arg-type]
                await until_closed(bad)
            cost = await proxy.running.cost_so_far()

        assert await is_bridged(proxy, "good", good)
    cost.require()


async def until_closed(socket: Page) -> None:
    """Raises ConnectionError when the other side has closed it."""
    async with asyncio.timeout(60):
        async for _ in socket:
            pass
    raise ConnectionError(socket.close_code)


async def test_what_a_page_says_of_itself_reaches_comfyui(proxy: MeasuredProxy) -> None:
    async with page(proxy, "mine") as mine:
        before = proxy.comfyui.received["/ws"]
        await mine.send_str(json.dumps({"type": "own", "data": "x" * 900_000}))

        async def arrived() -> bool:
            return proxy.comfyui.received["/ws"] > before + 900_000

        await until(arrived)


def preview(size: int, image_type: str = "image/jpeg") -> bytes:
    return render_preview(PreviewFrame(bytes(size), image_type, "7", "p"), with_metadata=True)


SAID: dict[str, Callable[[], str | bytes]] = {
    "a text": lambda: '{"type": "x", "data": {"a": "' + "x" * 200 * MB + '"}}',
    "a text that is no JSON": lambda: "x" * 200 * MB,
    "a picture": lambda: preview(200 * MB),
    "a picture just over the limit": lambda: preview(24 * 1024 * 1024),
    "progress": lambda: render_progress_text(TextFrame("7", "x" * 200 * MB)),
    "something else": lambda: bytes(200 * MB),
    "a deeply nested text": lambda: '{"type": "x", "data": ' + "[" * 2 * MB + "]" * 2 * MB + "}",
}


@pytest.mark.parametrize("make", SAID.values(), ids=SAID)
async def test_what_comfyui_sends_has_a_budget_and_the_page_keeps_its_socket(
    proxy: MeasuredProxy, make: Callable[[], str | bytes]
) -> None:
    said = make()
    async with page(proxy, "mine") as mine:
        assert await is_bridged(proxy, "mine", mine)
        await proxy.running.cost_so_far()
        theirs = proxy.comfyui.sockets["mine"]
        with suppress(ConnectionError, aiohttp.ClientError):  # ours hangs up
            await (theirs.send_str if isinstance(said, str) else theirs.send_bytes)(said)  # type: ignore[arg-type]

        assert await is_bridged(proxy, "mine", mine)
    (await proxy.running.cost_so_far()).require()


PASSES: dict[str, Callable[[], str | bytes]] = {
    "an output": lambda: '{"type": "executed", "data": {"a": "' + "x" * 3 * MB + '"}}',
    "a preview": lambda: preview(2 * MB),
    "a large picture": lambda: preview(24 * MB, "image/png"),
    "a picture that is a result": lambda: preview(15 * MB, "image/png"),
}


@pytest.mark.parametrize("make", PASSES.values(), ids=PASSES)
async def test_what_comfyui_really_sends_arrives_whole(proxy: MeasuredProxy, make: Callable[[], str | bytes]) -> None:
    said = make()
    async with page(proxy, "mine") as mine:
        assert await is_bridged(proxy, "mine", mine)
        await proxy.running.cost_so_far()
        theirs = proxy.comfyui.sockets["mine"]
        await (theirs.send_str if isinstance(said, str) else theirs.send_bytes)(said)  # type: ignore[arg-type]
        received = await mine.receive(timeout=20)
    cost = await proxy.running.cost_so_far()

    assert received.data == said
    cost.require()
