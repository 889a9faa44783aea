"""Websockets through the embedded mitmproxy, to the bridge and to ComfyUI."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import psutil
from aiohttp import web

from proxy.addons.reroute import Reroute
from proxy.addons.streaming import Streaming
from proxy.websocket.sockets import SECRET_HEADER, Sockets
from tests.proxy.addons.conftest import running_front
from tests.support.served import served
from wire.comfy import Message, PreviewFrame, render_preview, render_text

MB = 1_000_000
FRAME = render_preview(PreviewFrame(image=bytes(20_000), image_type="image/jpeg"), with_metadata=False)
LAST = render_text(Message("last", {}))


async def comfyui(request: web.Request) -> web.WebSocketResponse:
    """Says hello, then for every message as many previews as it says, as fast as they go, and the message again."""
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    await websocket.send_str(render_text(Message("status", {"status": {"exec_info": {}}, "sid": "s"})))
    async for received in websocket:
        for _ in range(int(received.data)):
            await websocket.send_bytes(FRAME)
        await websocket.send_str(LAST.replace("{}", received.data))
    return websocket


@asynccontextmanager
async def front(session: aiohttp.ClientSession) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", comfyui)
    async with served(app) as upstream:
        sockets = Sockets(upstream, session, lambda: 0, lambda: None, lambda: None)
        await sockets.start()
        async with running_front(upstream, [Reroute(sockets, SECRET_HEADER), Streaming()]) as url:
            yield url
        await sockets.stop()


async def heard_until_last(websocket: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
    """How many whole previews came, and the last word."""
    previews = 0
    async for received in websocket:
        if received.type is aiohttp.WSMsgType.TEXT:
            return previews, received.data
        previews += received.data == FRAME
    raise ConnectionError("the socket was closed")


async def test_a_fast_series_of_previews_does_not_fill_the_memory(session: aiohttp.ClientSession) -> None:
    async with front(session) as url, session.ws_connect(url + "/ws?clientId=s", max_msg_size=0) as websocket:
        await websocket.receive()
        await websocket.send_str("6000")
        await heard_until_last(websocket)
        before = psutil.Process().memory_info().rss
        await websocket.send_str("6001")
        previews, last = await heard_until_last(websocket)
        grown = psutil.Process().memory_info().rss - before

    assert previews > 0
    assert last == LAST.replace("{}", "6001")
    assert grown < 10 * MB


async def test_other_websockets_reach_comfyui_itself_and_lose_nothing(session: aiohttp.ClientSession) -> None:
    async with front(session) as url, session.ws_connect(url + "/custom/ws", max_msg_size=0, compress=15) as websocket:
        await websocket.receive()
        await websocket.send_str("600".zfill(4000))
        previews, last = await asyncio.wait_for(heard_until_last(websocket), 60)

    assert previews == 600
    assert last == LAST.replace("{}", "600".zfill(4000))
