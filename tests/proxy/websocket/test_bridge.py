"""One browser's socket and one of ComfyUI, with a ComfyUI that sends odd things."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy.websocket.bridge import BrowserSocket
from proxy.websocket.live_prompt import Snapshot
from tests.support.until import until
from wire.comfy import Message, PreviewFrame, TextFrame, render_preview, render_progress_text


@dataclass
class Bed:
    """A bridge between *page* and ComfyUI, whose end of the connection is in *comfyui* when there is one."""

    session: aiohttp.ClientSession
    comfyui_url: str
    comfyui: asyncio.Queue[web.WebSocketResponse] = field(default_factory=asyncio.Queue)
    from_page: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    asked_for: list[str | None] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    socket: BrowserSocket | None = None
    is_down: bool = False

    async def serve_comfyui(self, request: web.Request) -> web.StreamResponse:
        if self.is_down:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.comfyui.put(socket)
        async for message in socket:
            await self.from_page.put(message.data)
        return socket

    @asynccontextmanager
    async def connect(self, sid: str | None) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        self.asked_for.append(sid)
        async with self.session.ws_connect(self.comfyui_url) as socket:
            yield socket

    async def serve_page(self, request: web.Request) -> web.StreamResponse:
        browser = web.WebSocketResponse()
        await browser.prepare(request)
        self.socket = BrowserSocket(
            browser=browser,
            connect=self.connect,
            sid=None,
            new_sid=lambda: "made-here",
            remote_count=lambda: 3,
            on_lost=lambda: self.events.append("lost"),
            on_greeted=lambda socket: self.events.append(f"greeted {socket.sid}"),
            on_stuck=lambda _: self.events.append("stuck"),
        )
        await self.socket.run()
        self.events.append("ended")
        return browser


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    app = web.Application()
    runner = web.AppRunner(app, shutdown_timeout=1)
    async with aiohttp.ClientSession() as session:
        found = Bed(session, "")
        app.router.add_get("/comfyui", found.serve_comfyui)
        app.router.add_get("/page", found.serve_page)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.comfyui_url = f"http://127.0.0.1:{runner.addresses[0][1]}/comfyui"
        yield found
        await runner.cleanup()


async def opened(bed: Bed) -> tuple[aiohttp.ClientWebSocketResponse, web.WebSocketResponse]:
    """A page and ComfyUI's end of its connection, greeted as ``sid``."""
    page = await bed.session.ws_connect(bed.comfyui_url.replace("/comfyui", "/page"))
    comfyui = await asyncio.wait_for(bed.comfyui.get(), 60)
    await comfyui.send_str(status(2, sid="sid"))
    await page.receive_json(timeout=5)
    return page, comfyui


def status(remaining: object, **more: Any) -> str:
    return json.dumps({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": remaining}}, **more}})


def live(kind: str, prompt_id: str, **data: Any) -> Message:
    return Message(kind, {"prompt_id": prompt_id, **data})


def text_of(message: Message) -> str:
    return json.dumps({"type": message.type, "data": message.data})


async def test_the_page_is_greeted_with_the_id_of_comfyui_and_the_count_of_both(bed: Bed) -> None:
    page = await bed.session.ws_connect(bed.comfyui_url.replace("/comfyui", "/page"))
    await (await asyncio.wait_for(bed.comfyui.get(), 60)).send_str(status(2, sid="sid"))
    greeting = await page.receive_json(timeout=5)

    assert greeting == json.loads(status(5, sid="sid"))
    assert bed.events == ["greeted sid"]


@pytest.mark.parametrize("remaining", ["many", None, {}, [], 1e999])
async def test_a_count_that_is_not_a_number_counts_as_nothing(bed: Bed, remaining: object) -> None:
    page, comfyui = await opened(bed)
    await comfyui.send_str(status(remaining))

    assert await page.receive_json(timeout=5) == json.loads(status(3))


@pytest.mark.parametrize("text", ["not JSON", "[]", '{"type": "newer",  "data": {"a": 1}}', '{"data": {}}'])
async def test_what_is_not_understood_passes_letter_by_letter(bed: Bed, text: str) -> None:
    page, comfyui = await opened(bed)
    await comfyui.send_str(text)

    assert await page.receive_str(timeout=5) == text


@pytest.mark.parametrize("frame", [b"", b"\0", b"\0\0\0\x63abc", b"\0\0\0\4\0\0\0\x09{}", b"\0\0\0\4\0\0\0\2{}jpeg"])
async def test_odd_frames_pass_byte_by_byte(bed: Bed, frame: bytes) -> None:
    page, comfyui = await opened(bed)
    await comfyui.send_bytes(frame)

    assert await page.receive_bytes(timeout=5) == frame


async def test_a_local_run_is_shown_unless_a_remote_one_is(bed: Bed) -> None:
    page, comfyui = await opened(bed)
    assert bed.socket is not None
    bed.socket.send(live("execution_start", "remote"))
    assert (await page.receive_json(timeout=5))["data"] == {"prompt_id": "remote"}
    preview = render_preview(PreviewFrame(b"jpeg", "image/jpeg", prompt_id="local", node_id="1"), with_metadata=True)
    for sent in (live("execution_start", "local"), live("progress_state", "local"), live("executed", "local")):
        await comfyui.send_str(text_of(sent))
    await comfyui.send_bytes(preview)
    await comfyui.send_bytes(render_progress_text(TextFrame("1", "hello")))
    await comfyui.send_str(status(0))
    seen = list[tuple[str, str | None]]()
    while not seen or seen[-1][0] != "status":
        message = await page.receive_json(timeout=5)
        seen.append((message["type"], message["data"].get("prompt_id")))

    assert seen == [
        ("execution_start", "local"),
        ("execution_start", "remote"),
        ("executed", "local"),
        ("status", None),
    ]


async def test_a_remote_prompt_that_runs_already_is_shown(bed: Bed) -> None:
    page, _ = await opened(bed)
    assert bed.socket is not None
    snapshot = Snapshot(local=False)
    snapshot.apply(live("execution_start", "remote"))
    bed.socket.send_running("remote", snapshot)

    assert (await page.receive_json(timeout=5))["type"] == "execution_start"


async def test_comfyuis_end_ends_its_runs_and_its_count(bed: Bed) -> None:
    page, comfyui = await opened(bed)
    await comfyui.send_str(text_of(live("execution_start", "local")))
    await page.receive_json(timeout=5)
    await comfyui.close()
    ending, counted = await page.receive_json(timeout=5), await page.receive_json(timeout=5)

    assert ending == {"type": "executing", "data": {"node": None, "prompt_id": "local"}}
    assert counted == json.loads(status(3))
    assert bed.events == ["greeted sid", "lost"]


async def test_a_page_whose_comfyui_is_down_gets_an_id_and_keeps_it(bed: Bed) -> None:
    bed.is_down = True
    page = await bed.session.ws_connect(bed.comfyui_url.replace("/comfyui", "/page"))
    greeting = await page.receive_json(timeout=5)
    bed.is_down = False
    await asyncio.wait_for(bed.comfyui.get(), 60)

    assert greeting == json.loads(status(3, sid="made-here"))
    assert bed.asked_for[0] is None
    assert set(bed.asked_for[1:]) == {"made-here"}


async def test_only_the_first_message_of_a_page_is_read_for_its_flags(bed: Bed) -> None:
    page, _ = await opened(bed)
    flags = '{"type": "feature_flags", "data": {"assets": true}}'
    for text in (flags, "not JSON", flags):
        await page.send_str(text)
    reached = [await asyncio.wait_for(bed.from_page.get(), 60) for _ in range(3)]

    assert json.loads(reached[0]) == {"type": "feature_flags", "data": {}}
    assert reached[1:] == ["not JSON", flags]


async def test_a_page_that_leaves_ends_the_bridge_and_its_connection(bed: Bed) -> None:
    page, comfyui = await opened(bed)
    await page.close()

    async def both_ended() -> bool:
        return comfyui.closed and bed.events == ["greeted sid", "ended"]

    await until(both_ended, 5)


async def test_a_socket_that_released_comfyui_connects_again_when_it_may(bed: Bed) -> None:
    _, comfyui = await opened(bed)
    assert bed.socket is not None
    await bed.socket.release_upstream()
    was_closed, count = comfyui.closed, len(bed.asked_for)
    bed.socket.resume_upstream()
    await asyncio.wait_for(bed.comfyui.get(), 60)

    assert was_closed
    assert count == 1
    assert bed.asked_for == [None, "sid"]
    assert "lost" not in bed.events
