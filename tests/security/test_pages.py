"""Pages that are not the proxy's own: none presses Run, opens the websocket, writes into input/ or stops anything.

The rule itself is a table in test_origins.py. Here is the wiring, with bytes on real sockets, and a real Chromium in
which a page sends in every way that it has.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Frame, Page

from proxy.addons.guard import Guard
from proxy.addons.reroute import Reroute
from proxy.addons.streaming import Streaming
from proxy.websocket.sockets import SECRET_HEADER, Sockets
from tests.proxy.addons.conftest import Upstream, running_front
from tests.support.border import Border, running_border, sendings
from tests.support.browser import chromium, opened_context
from tests.support.raw import answer_to, request

NAMES = {"box.lan": "http", "box.example": "https"}

# -- the wiring

ROUTES = (
    *("POST /prompt", "POST /api/prompt", "POST /%70rompt", "POST /upload/image", "POST /api/upload/mask"),
    *("POST /queue", "POST /interrupt", "POST /history", "POST /api/jobs/cancel", "POST /runpod/api/jobs/x/cancel"),
    *(
        "DELETE /userdata/a.json",
        "PUT /settings",
        "POST /a-custom-node",
        "GET /ws",
        "GET /api/ws",
        "GET /a-custom-node/ws",
    ),
)
SENT_BY: dict[str, dict[str, str]] = {
    "a page on port 80": {"Origin": "http://{name}", "Sec-Fetch-Site": "same-site"},
    "a page on port 80, from an old browser": {"Origin": "http://{name}"},
    "a page on port 443": {"Origin": "https://{name}", "Sec-Fetch-Site": "cross-site"},
    "a page on port 443, from an old browser": {"Origin": "https://{name}"},
    "a page with TLS on our port": {"Origin": "https://{name}:{port}"},
    "a page on another port": {"Origin": "http://{name}:3000", "Sec-Fetch-Site": "same-site"},
    "a page without Origin": {"Sec-Fetch-Site": "same-site"},
    "a sandboxed frame": {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    "a page that says it twice": {"Sec-Fetch-Site": "same-origin", "sec-fetch-site": "same-origin"},
    "a browser of the future": {"Sec-Fetch-Site": "same-party"},
    "another site": {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
    "a rebound name": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
}


@dataclass
class Front:
    url: str
    upstream: Upstream
    sockets: Sockets

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    async def status(self, line: str, name: str, headers: dict[str, str]) -> int:
        """The answer to *line* at the host *name*; a route of a websocket is asked for an upgrade."""
        told = {key: value.format(name=name, port=self.port) for key, value in headers.items()}
        method, path = line.split(" ")
        socket = method == "GET" and path.endswith("/ws")
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} if socket else {}  # fmt: skip
        sent = request(
            method, path, [*({"Host": f"{name}:{self.port}"} | told | upgrade).items()], b"" if socket else b"{}"
        )
        return (await answer_to(self.url, sent)).status


@pytest.fixture
async def front(upstream: Upstream, session: aiohttp.ClientSession) -> AsyncIterator[Front]:
    sockets = Sockets(upstream.url, session, lambda: 0, lambda: None, lambda: None)
    await sockets.start()
    addons = [Guard(sockets, allow_remote=False), Reroute(sockets, SECRET_HEADER), Streaming()]
    async with running_front(upstream.url, addons) as url:
        yield Front(url, upstream, sockets)
    await sockets.stop()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize("headers", SENT_BY.values(), ids=SENT_BY)
async def test_nothing_of_a_foreign_page_passes_the_front(front: Front, headers: dict[str, str], name: str) -> None:
    statuses = {line: await front.status(line, name, headers) for line in ROUTES}

    assert statuses == dict.fromkeys(ROUTES, 403)
    assert front.upstream.seen == []


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://{name}:{port}"}, {"Origin": "http://{name}:{port}", "Sec-Fetch-Site": "same-origin"}],
    ids=["a program", "our page, from an old browser", "our page"],
)
async def test_what_is_ours_passes(front: Front, headers: dict[str, str], name: str) -> None:
    statuses = {line: await front.status(line, name, headers) for line in ROUTES}

    assert {line for line, status in statuses.items() if status == 101} == {"GET /ws", "GET /api/ws"}
    assert {status for line, status in statuses.items() if not line.endswith("/ws")} == {200}
    assert {line.replace("%70", "p") for line in ROUTES if not line.endswith("/ws")} <= set(front.upstream.seen)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"POST /prompt HTTP/1.1\r\n\r\n", 403),
        (b"POST /prompt HTTP/1.0\r\n\r\n", 403),
        (b"POST /prompt HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 403),
        (b"POST http://localhost/prompt HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"POST http://evil.example/prompt HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403),
        (b"POST /prompt HTTP/1.1\r\nHost: localhost\r\nOrigin:\r\n\r\n", 403),
        (b"POST /prompt HTTP/1.1\r\nHost: localhost\r\n Origin: null\r\n\r\n", 403),
        (b"POST /prompt HTTP/1.1\r\nHost: localhost\r\nOrigin : http://localhost\r\n\r\n", 400),
        (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 403),
    ],
    ids=ascii,
)
async def test_no_bytes_lead_past_the_rule(front: Front, sent: bytes, answer: int) -> None:
    found = await answer_to(front.url, sent)

    assert found.status == answer
    assert front.upstream.seen == []


async def test_nobody_reaches_the_bridge_beside_the_front(front: Front, session: aiohttp.ClientSession) -> None:
    bridge = f"http://127.0.0.1:{front.sockets.port}"
    for headers in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: "x" * 43}, {"Origin": bridge}):
        for path in ("/ws", "/api/ws"):
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await session.ws_connect(bridge + path, headers=headers)
            with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                await session.ws_connect(front.url + path, headers=headers | {"Origin": "http://localhost"})

    assert front.upstream.seen == []


# -- a real browser

browsing = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]


@dataclass(frozen=True)
class Attack:
    """A page of the attacker at *page*, and the address of the proxy that it attacks; both with ports to fill in."""

    page: str
    target: str
    without: tuple[str, ...] = ()
    """ways of sending that this page does not have"""
    sees: tuple[str, ...] = ()
    """what it may show, without being able to read it"""


INSECURE = ("service-worker",)  # a page over plain http of another machine has none
OPAQUE = ("service-worker",)
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
MEDIA = ("img", "audio")
LAN_GETS = ("img", "script", "style", "iframe", "object", "audio", "fetched")
"""over plain http from another machine a browser says nothing about the page; these can change and read nothing"""
ATTACKS = {
    **{f"port 80 of {host}": Attack(f"http://{host}/", f"http://{host}:{{proxy}}", sees=MEDIA) for host in LOOPBACK},
    **{f"port 443 of {host}": Attack(f"https://{host}/", f"http://{host}:{{proxy}}") for host in LOOPBACK},
    **{
        f"another port of {host}": Attack(f"http://{host}:{{other}}/", f"http://{host}:{{proxy}}", sees=MEDIA)
        for host in LOOPBACK
    },
    **{
        f"a sandboxed page of {host}": Attack(f"http://{host}/sandboxed", f"http://{host}:{{proxy}}", OPAQUE)
        for host in LOOPBACK
    },
    "another name of this machine": Attack("http://127.0.0.1/", "http://localhost:{proxy}"),
    "a name below localhost": Attack("http://evil.localhost/", "http://localhost:{proxy}"),
    "another site": Attack("http://evil.example/", "http://localhost:{proxy}", INSECURE),
    "another site with TLS": Attack("https://evil.example/", "http://127.0.0.1:{proxy}"),
    "port 80 of a name in the LAN": Attack("http://box.lan/", "http://box.lan:{proxy}", INSECURE, LAN_GETS),
    "another port of a name in the LAN": Attack(
        "http://box.lan:{other}/", "http://box.lan:{proxy}", INSECURE, LAN_GETS
    ),
    "another port of an address in the LAN": Attack("http://10.1.2.3/", "http://10.1.2.3:{proxy}", INSECURE, LAN_GETS),
    "another site, at the LAN": Attack("http://evil.example/", "http://box.lan:{proxy}", INSECURE, LAN_GETS),
    "port 80 beside a tunnel": Attack("http://box.example/", "https://box.example", INSECURE),
    "another port beside a tunnel": Attack("https://box.example:8443/", "https://box.example", sees=MEDIA),
}
OWN_PAGES = (*(f"http://{host}:{{proxy}}" for host in (*LOOPBACK, "box.lan", "10.1.2.3")), "https://box.example")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def border(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Border]:
    def guards(sink: Sockets) -> list[object]:
        return [Guard(sink, allow_remote=True, names=NAMES)]

    async with running_border(tmp_path_factory.mktemp("border"), guards) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    async with opened_context(browser) as context:
        yield await context.new_page()


async def attacked(border: Border, frame: Frame, target: str, without: tuple[str, ...], sees: tuple[str, ...]) -> None:
    expected = sendings(without)
    statuses = await border.attacked(frame, target, set.union(*expected.values()))
    passed = {sending for sending, status in statuses.items() if status != 403}

    assert passed == {("/view", way) for way in sees}
    assert {line.partition("?")[0] for line in border.upstream.seen} <= {"GET /view", "GET /favicon.ico"}


class TestInChromium:
    pytestmark = browsing

    @pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
    async def test_a_foreign_page_gets_nothing_through(self, border: Border, page: Page, attack: Attack) -> None:
        await page.goto(border.filled(attack.page))

        await attacked(border, page.main_frame, border.filled(attack.target), attack.without, attack.sees)

    @pytest.mark.parametrize("target", ["http://localhost:{proxy}", "http://evil.example:{proxy}"])
    async def test_a_name_that_was_rebound_to_this_machine_gets_nothing_through(
        self, border: Border, page: Page, target: str
    ) -> None:
        # the attacker's page was loaded before; here it is the 403 itself whose origin the script has
        await page.goto(border.filled("http://evil.example:{proxy}/"))

        await attacked(border, page.main_frame, border.filled(target), ("redirect", *INSECURE), ())

    @pytest.mark.parametrize("own", OWN_PAGES)
    async def test_a_sandboxed_frame_of_our_own_page_gets_nothing_through(
        self, border: Border, page: Page, own: str
    ) -> None:
        url = border.filled(own)
        await page.goto(url)
        await page.evaluate(
            """(url) => new Promise((resolve) => {
                const frame = Object.assign(document.createElement("iframe"), { onload: resolve, src: url });
                frame.sandbox = "allow-scripts allow-forms";
                document.body.append(frame);
            })""",
            f"{url}/view",
        )

        await attacked(border, page.main_frame.child_frames[0], url, ("redirect", *OPAQUE), ())

    @pytest.mark.parametrize("own", OWN_PAGES)
    async def test_our_own_page_does_everything(self, border: Border, page: Page, own: str) -> None:
        url, expected = border.filled(own), sendings(("redirect", "service-worker"))
        await page.goto(url)
        statuses = await border.attacked(page.main_frame, url, set.union(*expected.values()))

        assert {statuses[sending] for sending in expected["post"] | expected["get"]} == {200}
        assert {statuses[sending] for sending in expected["socket"]} == {101}

    @pytest.mark.parametrize("elsewhere", [f"http://{host}/" for host in (*LOOPBACK, "evil.example")])
    @pytest.mark.parametrize("enctype", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
    async def test_a_form_that_leads_to_us_changes_nothing(
        self, border: Border, page: Page, elsewhere: str, enctype: str
    ) -> None:
        await page.goto(elsewhere)
        host = "localhost" if "evil" in elsewhere else elsewhere.removeprefix("http://").rstrip("/")
        border.upstream.seen.clear()
        async with page.expect_navigation() as navigation:
            await page.evaluate(
                """([action, enctype]) => {
                    const form = Object.assign(document.createElement("form"), { method: "post", action, enctype });
                    document.body.append(form);
                    form.submit();
                }""",
                [border.filled(f"http://{host}:{{proxy}}/prompt"), enctype],
            )
        response = await navigation.value

        assert response is not None
        assert response.status == 403
        assert "POST /prompt" not in border.upstream.seen

    @pytest.mark.parametrize("elsewhere", ["http://evil.example/", "http://localhost/", "https://localhost/"])
    async def test_a_link_on_any_page_opens_ours(self, border: Border, page: Page, elsewhere: str) -> None:
        await page.goto(elsewhere)
        url = border.filled("http://localhost:{proxy}/view")
        async with page.expect_navigation() as navigation:
            await page.evaluate("(url) => { location.href = url; }", url)
        response = await navigation.value

        assert response is not None
        assert (response.url, response.status) == (url, 200)
