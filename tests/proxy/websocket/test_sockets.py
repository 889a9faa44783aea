"""The bridge between a browser's websocket and ComfyUI's, with a ComfyUI that says what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from engine.messages.translate import StatusDue
from proxy.websocket.sockets import SECRET_HEADER, Sockets
from tests.support.served import served
from tests.support.until import until
from wire.comfy import Message, PreviewFrame, parse_binary
from wire.ids import ClientId, PromptId

P, Q = PromptId("prompt-p"), PromptId("prompt-q")
SID = ClientId("sid-of-the-page")
RUNNING = Message("progress_state", {"prompt_id": P, "nodes": {"1": {"value": 1}}})


def status(remaining: int, **more: Any) -> str:
    return json.dumps({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": remaining}}, **more}})


@dataclass
class Upstream:
    """A ComfyUI that greets with a sid and otherwise speaks when told."""

    sockets: asyncio.Queue[web.WebSocketResponse] = field(default_factory=asyncio.Queue)
    heard: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    asked_for: list[str | None] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.asked_for.append(request.query.get("clientId"))
        await socket.send_str(status(2, sid=request.query.get("clientId", SID)))
        await self.sockets.put(socket)
        async for message in socket:
            await self.heard.put(message.data)
        self.left.append(request.query.get("clientId", SID))
        return socket


@dataclass
class Bed:
    upstream: Upstream
    sockets: Sockets
    session: aiohttp.ClientSession
    remote: list[int]
    restarts: list[bool]
    arrivals: list[bool]

    async def browser(self, sid: str | None = None) -> aiohttp.ClientWebSocketResponse:
        query = f"?clientId={sid}" if sid else ""
        url = f"http://127.0.0.1:{self.sockets.port}/ws{query}"
        return await self.session.ws_connect(url, headers={SECRET_HEADER: self.sockets.secret})


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    upstream, remote, restarts, arrivals = Upstream(), [0], [], []
    app = web.Application()
    app.router.add_get("/ws", upstream.serve)
    async with served(app, shutdown_timeout=1) as url, aiohttp.ClientSession() as session:
        sockets = Sockets(url, session, lambda: remote[0], lambda: restarts.append(True), lambda: arrivals.append(True))
        await sockets.start()
        yield Bed(upstream, sockets, session, remote, restarts, arrivals)
        await sockets.stop()


async def heard(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    message: dict[str, Any] = await socket.receive_json(timeout=5)
    return message


def count_of(message: dict[str, Any]) -> int:
    return int(message["data"]["status"]["exec_info"]["queue_remaining"])


async def test_without_the_secret_nobody_gets_in(bed: Bed) -> None:
    for headers in ({}, {SECRET_HEADER: "guess"}):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await bed.session.ws_connect(f"http://127.0.0.1:{bed.sockets.port}/ws", headers=headers)


async def test_every_count_is_the_sum_of_local_and_remote(bed: Bed) -> None:
    bed.remote[0] = 3
    browser = await bed.browser()
    greeting = await heard(browser)
    bed.remote[0] = 4
    bed.sockets.publish_status()
    ours = await heard(browser)
    await (await bed.upstream.sockets.get()).send_str(status(0))
    theirs = await heard(browser)

    assert greeting["data"]["sid"] == SID
    assert [count_of(message) for message in (greeting, ours, theirs)] == [5, 6, 4]


async def test_the_count_is_sent_once_more_when_nothing_has_changed_for_a_while(bed: Bed) -> None:
    """A page shows the reply that comes last, even if it is an older one; this has it ask again."""
    browser = await bed.browser()
    await heard(browser)
    for _ in range(3):
        bed.sockets.publish_status()
    kinds = [(await heard(browser))["type"] for _ in range(4)]

    assert kinds == ["status"] * 4
    with pytest.raises(TimeoutError):
        await browser.receive(timeout=0.1)


async def test_a_prompts_messages_reach_its_own_page_and_the_count_reaches_all(bed: Bed) -> None:
    mine, other = await bed.browser(), await bed.browser("another-sid")
    await heard(mine)
    await heard(other)
    bed.sockets.publish(P, SID, [Message("execution_start", {"prompt_id": P}), StatusDue()])

    assert (await heard(mine))["type"] == "execution_start"
    assert (await heard(mine))["type"] == "status"
    assert (await heard(other))["type"] == "status"


async def test_the_browsers_flags_decide_the_form_of_previews_and_reach_comfyui(bed: Bed) -> None:
    modern, legacy = await bed.browser(), await bed.browser("old-page")
    await heard(modern)
    await heard(legacy)
    hello = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
    await modern.send_str(hello)
    assert await asyncio.wait_for(bed.upstream.heard.get(), 60) == hello
    frame = PreviewFrame(image=b"jpeg", image_type="image/jpeg", node_id="3", prompt_id=P)
    bed.sockets.publish(P, SID, [frame])
    bed.sockets.publish(Q, ClientId("old-page"), [frame])

    assert parse_binary(await modern.receive_bytes(timeout=5)) == frame
    assert await legacy.receive_bytes(timeout=5) == b"\0\0\0\1\0\0\0\1jpeg"


async def test_the_browsers_socket_stays_open_while_comfyui_restarts(bed: Bed) -> None:
    browser = await bed.browser()
    await heard(browser)
    hello = json.dumps({"type": "feature_flags", "data": {}})
    await browser.send_str(hello)
    await asyncio.wait_for(bed.upstream.heard.get(), 60)
    await (await bed.upstream.sockets.get()).close()
    await asyncio.wait_for(bed.upstream.sockets.get(), 60)

    assert bed.upstream.asked_for == [None, SID]
    assert await asyncio.wait_for(bed.upstream.heard.get(), 60) == hello
    assert bed.restarts == [True]
    assert bed.arrivals == [True, True]
    assert not browser.closed


async def test_a_reloaded_page_is_shown_what_runs(bed: Bed) -> None:
    first = await bed.browser()
    await heard(first)
    bed.sockets.publish(P, SID, [Message("execution_start", {"prompt_id": P}), RUNNING])
    await first.close()
    again = await bed.browser(SID)

    assert [(await heard(again))["type"] for _ in range(3)] == ["status", "execution_start", "progress_state"]


async def test_a_large_message_of_comfyui_is_never_mixed_with_ours(bed: Bed) -> None:
    browser = await bed.browser()
    await heard(browser)
    upstream = await bed.upstream.sockets.get()
    big = b"\0\0\0\7" + bytes(300_000)
    sending = asyncio.create_task(upstream.send_bytes(big))
    bed.sockets.publish(P, SID, [Message("execution_start", {"prompt_id": P})])
    await sending
    received = [await browser.receive(timeout=5) for _ in range(2)]

    assert {message.type for message in received} == {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}
    assert next(message.data for message in received if message.type is aiohttp.WSMsgType.BINARY) == big


async def test_a_page_that_comes_while_comfyui_is_down_gets_an_id_of_ours() -> None:
    async with aiohttp.ClientSession() as session:
        sockets = Sockets("http://127.0.0.1:1", session, lambda: 1, lambda: None, lambda: None)
        await sockets.start()
        url = f"http://127.0.0.1:{sockets.port}/ws"
        browser = await session.ws_connect(url, headers={SECRET_HEADER: sockets.secret})
        greeting = await heard(browser)
        sockets.publish(P, ClientId(greeting["data"]["sid"]), [Message("execution_start", {"prompt_id": P})])

        assert count_of(greeting) == 1
        assert (await heard(browser))["type"] == "execution_start"
        await sockets.stop()


async def test_two_sockets_of_one_page_never_speak_with_comfyui_at_once(bed: Bed) -> None:
    first = await bed.browser(SID)
    await heard(first)
    theirs = await bed.upstream.sockets.get()
    second = await bed.browser(SID)
    await heard(second)
    newer = await bed.upstream.sockets.get()
    bed.sockets.publish(P, SID, [Message("execution_start", {"prompt_id": P})])

    assert theirs.closed
    assert not newer.closed
    assert (await heard(first))["type"] == (await heard(second))["type"] == "execution_start"


async def test_several_sockets_of_one_page_that_come_at_once_are_all_greeted(bed: Bed) -> None:
    """As when a browser restores a tab and its duplicate."""
    sockets = [await bed.browser(SID) for _ in range(4)]
    greetings = [await heard(socket) for socket in sockets]
    bed.sockets.publish_status()

    assert {greeting["data"]["sid"] for greeting in greetings} == {SID}
    assert {(await heard(socket))["type"] for socket in sockets} == {"status"}


async def test_the_older_socket_speaks_with_comfyui_again_when_the_newer_leaves(bed: Bed) -> None:
    first = await bed.browser(SID)
    await heard(first)
    await bed.upstream.sockets.get()
    second = await bed.browser(SID)
    await heard(second)
    newer = await bed.upstream.sockets.get()
    await second.close()
    again = await asyncio.wait_for(bed.upstream.sockets.get(), 60)
    await again.send_str(json.dumps({"type": "logs", "data": {}}))

    assert newer.closed
    assert [(await heard(first))["type"] for _ in range(2)] == ["status", "logs"]
    assert bed.restarts == []


async def test_flags_whose_meaning_the_proxy_does_not_share_are_passed_on_to_neither_side(bed: Bed) -> None:
    browser = await bed.browser()
    await heard(browser)
    told = {"supports_preview_metadata": True, "supports_progress_text_metadata": True}
    await browser.send_str(json.dumps({"type": "feature_flags", "data": told}))
    reached = json.loads(await asyncio.wait_for(bed.upstream.heard.get(), 60))
    flags = {"supports_preview_metadata": True, "supports_progress_text_metadata": True, "assets": True}
    upstream = await bed.upstream.sockets.get()
    await upstream.send_str(json.dumps({"type": "feature_flags", "data": {**flags, "max_upload_size": 7}}))
    shown = await heard(browser)

    assert reached["data"] == {"supports_preview_metadata": True}
    assert shown["data"] == {"supports_preview_metadata": True, "max_upload_size": 7}


async def test_how_an_anonymous_prompt_goes_is_told_to_everybody_and_the_rest_to_nobody(bed: Bed) -> None:
    pages = [await bed.browser(), await bed.browser("another-sid")]
    for page in pages:
        await heard(page)
    running = Message("progress_state", {"prompt_id": P, "nodes": {}})
    ending = Message("execution_success", {"prompt_id": P})
    bed.sockets.publish(P, None, [Message("execution_start", {"prompt_id": P}), running, ending, StatusDue()])

    for page in pages:
        assert [(await heard(page))["type"] for _ in range(2)] == ["progress_state", "status"]


async def test_a_page_that_comes_later_is_told_what_waits_until_it_does_not_any_more(bed: Bed) -> None:
    waits = Message("notification", {"value": "Waiting for a machine", "id": P})
    bed.sockets.publish(P, SID, [waits])
    bed.sockets.publish(Q, SID, [Message("notification", {"value": "Waiting for a machine", "id": Q})])
    bed.sockets.publish(Q, SID, [Message("notification", {"value": "", "id": Q})])
    browser = await bed.browser(SID)
    await heard(browser)
    bed.sockets.publish_status()

    assert (await heard(browser))["data"] == waits.data
    assert (await heard(browser))["type"] == "status"


LARGE = Message("executed", {"prompt_id": P, "node": "1", "output": {"text": ["x" * 1_000_000]}})


async def test_a_page_that_stops_reading_is_closed_and_shown_what_runs_when_it_comes_back(bed: Bed) -> None:
    asleep = await bed.browser(SID)
    await heard(asleep)
    bed.sockets.publish(P, SID, [Message("execution_start", {"prompt_id": P}), RUNNING])

    async def closed() -> bool:
        bed.sockets.publish(P, SID, [LARGE])
        return bed.upstream.left == [SID]

    await until(closed)
    again = await bed.browser(SID)

    assert [(await heard(again))["type"] for _ in range(3)] == ["status", "execution_start", "progress_state"]


async def test_many_websockets_that_stop_reading_at_once_are_one_line_of_the_log(
    bed: Bed, caplog: pytest.LogCaptureFixture
) -> None:
    """A sleeping laptop leaves several of them behind, for the same page too."""
    sids = [SID] * 5 + [ClientId(f"sid-{number}") for number in range(3)]
    asleep = [await bed.browser(sid) for sid in sids]
    for browser in asleep:
        await heard(browser)

    async def closed() -> bool:
        bed.sockets.publish(P, None, [Message("progress_state", LARGE.data)])
        return bool(caplog.records)

    await until(closed)
    awake = await bed.browser(SID)
    await heard(awake)
    bed.sockets.publish_status()
    await heard(awake)

    assert [record.getMessage() for record in caplog.records] == [
        f"closing 8 websockets (sid-0, sid-1, sid-2, {SID}): the browser stopped reading"
    ]


async def test_stopping_does_not_wait_for_pages_one_after_the_other(bed: Bed) -> None:
    asleep = [await bed.browser(ClientId(f"sid-{number}")) for number in range(20)]
    for browser in asleep:
        await heard(browser)

    async with asyncio.timeout(60):
        await bed.sockets.stop()


async def test_it_is_known_in_which_browser_a_page_is_open(bed: Bed) -> None:
    secret = {SECRET_HEADER: bed.sockets.secret}
    url = f"http://127.0.0.1:{bed.sockets.port}/ws?clientId={SID}"
    before = bed.sockets.browsers_of(SID)
    async with bed.session.ws_connect(url, headers={**secret, "User-Agent": "Firefox"}) as socket:
        await heard(socket)
        assert bed.sockets.browsers_of(SID) == {"Firefox"}
        assert bed.sockets.browsers_of(ClientId("another")) == frozenset()

    async def left() -> bool:
        return bed.sockets.browsers_of(SID) == before

    assert before == frozenset()
    await until(left)
