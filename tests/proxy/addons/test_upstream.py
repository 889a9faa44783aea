"""While ComfyUI is down."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from mitmproxy import connection, http
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow

from proxy.addons.upstream import Upstream
from tests.support.flows import answer, asked
from tests.support.ports import free_port


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Something listens there."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def tried(host: str, port: int) -> ServerConnectionHookData:
    """mitmproxy has tried to connect there."""
    return ServerConnectionHookData(connection.Server(address=(host, port)), tflow.tclient_conn())


async def asked_at(addon: Upstream, path: str, **headers: str) -> http.HTTPFlow:
    flow = asked("GET", path, **headers)
    await addon.request(flow)
    return flow


async def test_whoever_opens_the_page_is_told_what_is_missing_and_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    flow = await asked_at(Upstream(url), "/", Sec_Fetch_Mode="navigate")
    assert flow.response is not None
    page = flow.response.get_text() or ""

    assert flow.response.status_code == 503
    assert flow.response.headers["Content-Type"].startswith("text/html")
    assert all(text in page for text in (url, "COMFYUI_URL", "/runpod/", 'http-equiv="refresh"'))


async def test_an_address_cannot_put_a_script_into_the_page() -> None:
    flow = await asked_at(Upstream("http://127.0.0.1:1/<script>"), "/", Sec_Fetch_Mode="navigate")
    assert flow.response is not None

    assert "<script>" not in (flow.response.get_text() or "")


async def test_calls_are_answered_in_comfyuis_shape_once_it_is_known_to_be_down() -> None:
    port = free_port()
    addon = Upstream(f"http://127.0.0.1:{port}")
    before = await asked_at(addon, "/api/queue")
    addon.server_connect_error(tried("127.0.0.1", port))
    status, body = answer(await asked_at(addon, "/api/queue"))

    assert before.response is None  # mitmproxy finds out by itself
    assert status == 503
    assert body["error"]["type"] == "comfyui_unavailable"
    assert body["error"]["details"] == f"at http://127.0.0.1:{port}"


async def test_another_server_that_is_down_says_nothing_about_comfyui() -> None:
    port = free_port()
    addon = Upstream(f"http://127.0.0.1:{port}")
    addon.server_connect_error(tried("127.0.0.1", port + 1))

    assert (await asked_at(addon, "/api/queue")).response is None


async def test_comfyui_is_noticed_when_it_is_back(port: int) -> None:
    addon = Upstream(f"http://127.0.0.1:{port}")
    addon.server_connect_error(tried("127.0.0.1", port))

    assert (await asked_at(addon, "/api/queue")).response is None
    assert (await asked_at(addon, "/", Sec_Fetch_Mode="navigate")).response is None


async def test_a_connection_that_succeeds_ends_the_outage() -> None:
    port = free_port()
    addon = Upstream(f"http://127.0.0.1:{port}")
    addon.server_connect_error(tried("127.0.0.1", port))
    addon.server_connected(tried("127.0.0.1", port))

    assert (await asked_at(addon, "/api/queue")).response is None


async def test_a_websocket_goes_to_the_bridge_which_waits_for_comfyui() -> None:
    port = free_port()
    addon = Upstream(f"http://127.0.0.1:{port}")
    addon.server_connect_error(tried("127.0.0.1", port))

    assert (await asked_at(addon, "/ws?clientId=1")).response is None


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1", ("127.0.0.1", 80)),
        ("https://comfy.example", ("comfy.example", 443)),
        ("http://[::1]:8188", ("::1", 8188)),
    ],
)
def test_the_address_is_the_one_that_mitmproxy_connects_to(url: str, address: tuple[str, int]) -> None:
    addon = Upstream(url)
    addon.server_connect_error(tried(*address))

    assert addon._down
