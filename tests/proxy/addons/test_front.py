"""The embedded mitmproxy with our addons, through real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest
from mitmproxy import http

from proxy.addons.fail_closed import fail_closed
from proxy.addons.features import Features
from proxy.addons.guard import Guard
from proxy.addons.master import CannotListen, run_front
from proxy.addons.panel import SCRIPT, Panel
from proxy.addons.streaming import Streaming
from proxy.addons.upstream import Upstream as UpstreamAddon
from proxy.job_actions import NoSuchJob
from proxy.websocket.sockets import Sockets
from tests.proxy.addons.conftest import Upstream, running_front

MIB = 1024 * 1024


async def no_status() -> dict[str, object]:
    return {"fine": True}


def no_action(prompt_id: str, action: str, *, dry: bool) -> dict[str, object]:
    raise NoSuchJob(f"{action} {prompt_id} {dry}")


def panel() -> Panel:
    return Panel(no_status, lambda status, limit: {"jobs": [status, limit]}, no_action)


@pytest.fixture
async def sink(session: aiohttp.ClientSession) -> AsyncIterator[Sockets]:
    sockets = Sockets("http://127.0.0.1:1", session, lambda: 0, lambda: None, lambda: None)
    await sockets.start()
    yield sockets
    await sockets.stop()


def guard(sink: Sockets) -> Guard:
    return Guard(sink, allow_remote=False)


class Raising:
    """An addon of ours with a bug."""

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        raise RuntimeError(f"bug at {flow.request.path}")


async def test_a_foreign_request_never_reaches_comfyui(
    upstream: Upstream, session: aiohttp.ClientSession, sink: Sockets
) -> None:
    async with running_front(upstream.url, [guard(sink), Streaming()]) as url:
        for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            async with session.post(url + "/prompt", json={}, headers=headers) as response:
                assert response.status == 403
                assert (await response.json())["error"]["type"] == "forbidden"

    assert upstream.seen == []


async def test_a_large_foreign_body_is_not_even_read(
    upstream: Upstream, session: aiohttp.ClientSession, sink: Sockets
) -> None:
    before = psutil.Process().memory_info().rss
    async with running_front(upstream.url, [guard(sink), Streaming()]) as url:
        headers = {"Origin": "http://evil.example"}
        async with session.post(url + "/prompt", data=_pieces(200), headers=headers) as response:
            assert response.status == 403

    assert upstream.seen == []
    assert psutil.Process().memory_info().rss - before < 100 * MIB


async def test_the_browsers_host_reaches_comfyui(
    upstream: Upstream, session: aiohttp.ClientSession, sink: Sockets
) -> None:
    async with running_front(upstream.url, [guard(sink), Streaming()]) as url:
        assert (await session.get(url + "/anything", headers={"Origin": url})).status == 200

    assert upstream.seen == ["GET /anything"]


async def test_an_addon_that_raises_never_lets_a_prompt_through(
    upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    async with running_front(upstream.url, [Streaming(), Raising()]) as url:
        response = await session.post(url + "/api/prompt", json={"prompt": {}})
        answer = await response.json()

    assert response.status == 500
    assert answer["error"]["type"] == "proxy_error"
    assert "bug at /api/prompt" in answer["error"]["details"]
    assert upstream.seen == []


async def test_large_bodies_pass_through_without_being_kept(
    upstream: Upstream, session: aiohttp.ClientSession, sink: Sockets
) -> None:
    async with running_front(upstream.url, [guard(sink), Streaming()]) as url:
        await (await session.get(f"{url}/large?size={MIB}")).read()
        before = psutil.Process().memory_info().rss
        received = 0
        async with session.get(f"{url}/large?size={300 * MIB}") as response:
            async for piece in response.content.iter_any():
                received += len(piece)
        async with session.post(url + "/upload/image", data=_pieces(200)) as response:
            await response.read()
        grown = psutil.Process().memory_info().rss - before

    assert received == 300 * MIB
    assert upstream.bodies[-1] == 200 * MIB
    assert grown < 100 * MIB


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(MIB)


async def test_hashed_assets_are_fetched_once(upstream: Upstream, session: aiohttp.ClientSession) -> None:
    async with running_front(upstream.url, [Streaming()]) as url:
        hashed = await session.get(url + "/assets/index-BA-sjSl5.js")
        plain = await session.get(url + "/scripts/app.js")

    assert "immutable" in hashed.headers["Cache-Control"]
    assert "Cache-Control" not in plain.headers


async def test_the_page_gets_our_script(upstream: Upstream, session: aiohttp.ClientSession) -> None:
    upstream.answers["/api/extensions"] = ["/extensions/core/a.js"]
    async with running_front(upstream.url, [Streaming(), panel()]) as url:
        listed = await (await session.get(url + "/api/extensions")).json()
        script = await session.get(url + SCRIPT)
        text = await script.text()

    assert listed == ["/extensions/core/a.js", SCRIPT]
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert "runpod.notice" in text


async def test_our_routes_are_answered_here(upstream: Upstream, session: aiohttp.ClientSession) -> None:
    async with running_front(upstream.url, [Streaming(), panel()]) as url:
        assert "<h1>" in await (await session.get(url + "/runpod")).text()
        assert await (await session.get(url + "/runpod/api/status")).json() == {"fine": True}
        jobs = await (await session.get(url + "/runpod/api/jobs?status=failed&limit=3")).json()
        bad = await session.get(url + "/runpod/api/jobs?limit=x")
        missing = await session.get(url + "/runpod/nothing")

    assert jobs == {"jobs": ["failed", 3]}
    assert (bad.status, missing.status) == (400, 404)
    assert upstream.seen == []


async def test_while_comfyui_is_down_the_page_says_so(session: aiohttp.ClientSession) -> None:
    down = "http://127.0.0.1:1"
    async with running_front(down, [Streaming(), panel(), UpstreamAddon(down)]) as url:
        page = await session.get(url + "/", headers={"Sec-Fetch-Mode": "navigate"})
        text = await page.text()
        await session.get(url + "/api/queue")
        call = await session.get(url + "/api/queue")
        ours = await session.get(url + "/runpod/api/status")

        assert (page.status, call.status, ours.status) == (503, 503, 200)
        assert down in text
        assert "COMFYUI_URL" in text
        assert (await call.json())["error"]["type"] == "comfyui_unavailable"


async def test_comfyui_is_noticed_when_it_is_back(upstream: Upstream, session: aiohttp.ClientSession) -> None:
    addon = UpstreamAddon(upstream.url)
    addon._down = True
    async with running_front(upstream.url, [Streaming(), addon]) as url:
        assert (await session.get(url + "/api/queue")).status == 200


async def test_a_taken_port_is_one_clear_sentence(upstream: Upstream) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}"):
            await run_front(
                host="127.0.0.1",
                port=port,
                upstream=upstream.url,
                addons=[],
                ready=lambda: None,
                stop=asyncio.Event(),
            )


async def test_the_features_that_a_page_asks_for_are_those_that_the_websocket_tells(
    upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    flags = {"supports_preview_metadata": True, "assets": True, "supports_progress_text_metadata": True}
    upstream.answers = {"/features": flags, "/api/features": flags}
    async with running_front(upstream.url, [Features(), Streaming()]) as url:
        for path in ("/features", "/api/features"):
            async with session.get(url + path) as response:
                assert await response.json() == {"supports_preview_metadata": True}
