"""Other machines, and other users of this one: without the token of PROXY_TOKEN they get nothing at all.

The wiring with bytes on real sockets; what a person does, and what pages beside the proxy can do with the person's
cookie, in a real Chromium. That PROXY_ALLOW_REMOTE and PROXY_HOSTS need a token is in tests/engine/test_settings.py.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from proxy.addons.access import Access
from proxy.addons.guard import Guard
from proxy.addons.reroute import Reroute
from proxy.addons.streaming import Streaming
from proxy.addons.token import Token
from proxy.websocket.sockets import SECRET_HEADER, Sockets
from tests.proxy.addons.conftest import Upstream, running_front
from tests.support.border import Border, running_border, sendings
from tests.support.browser import chromium, opened_context
from tests.support.raw import RawAnswer, answer_to, request

TOKEN = "a+token/with=signs&more"
LINK = f"token={quote(TOKEN, safe='')}"
ACCESS = Access(TOKEN, 8189)
COOKIE = ACCESS.cookie(secure=False).partition(";")[0]
NAMES = {"box.lan": "http", "box.example": "https"}
SECRETS = (TOKEN, LINK, ACCESS.cookie_value)


def guards(sink: Sockets) -> list[object]:
    return [Guard(sink, allow_remote=True, names=NAMES), Token(sink, ACCESS, NAMES)]


# -- on sockets

ROUTES = (
    *("POST /prompt", "POST /api/prompt", "POST /upload/image", "POST /queue", "POST /interrupt", "POST /history"),
    *(
        "POST /runpod/api/jobs/x/cancel",
        "GET /",
        "GET /queue",
        "GET /view?filename=a.png",
        "GET /system_stats",
        "HEAD /",
    ),
    *(
        "GET /runpod/",
        "GET /runpod/api/status",
        "GET /assets/index-BA-sjSl5.js",
        "OPTIONS /prompt",
        "DELETE /userdata/a",
    ),
    *("GET /ws", "GET /api/ws", "GET /ws?clientId=somebody", "GET /a-custom-node/ws", "GET /a-custom-node"),
)
WITHOUT: dict[str, list[tuple[str, str]]] = {
    "nothing": [],
    "a wrong token": [("Authorization", "Bearer wrong")],
    "the beginning of the token": [("Authorization", f"Bearer {TOKEN[:-1]}")],
    "the token as a password": [("Authorization", f"Basic {TOKEN}")],
    "the token in another header": [("X-Token", TOKEN), ("X-Comfy-Runpod-Secret", TOKEN)],
    "the token as the cookie": [("Cookie", f"comfy_runpod_8189={TOKEN}")],
    "the token as another cookie": [("Cookie", f"token={TOKEN}")],
    "the cookie as a token": [("Authorization", f"Bearer {ACCESS.cookie_value}")],
    "the cookie of another token": [("Cookie", Access("another-token-of-mine", 8189).cookie(secure=False))],
    "the cookie of another port": [("Cookie", f"comfy_runpod_9000={ACCESS.cookie_value}")],
    "an empty token": [("Authorization", "Bearer "), ("Cookie", "comfy_runpod_8189=")],
}
WITH: dict[str, list[tuple[str, str]]] = {
    "a bearer": [("Authorization", f"Bearer {TOKEN}")],
    "a token, as Jupyter's scripts": [("authorization", f"token {TOKEN}")],
    "a cookie": [("Cookie", COOKIE)],
    "a cookie among others": [("Cookie", f"a=1; {COOKIE}; b=2")],
    "a cookie beside another of its name": [("Cookie", f"comfy_runpod_8189=planted; {COOKIE}")],
    "two headers of cookies": [("Cookie", "a=1"), ("Cookie", COOKIE)],
    "both": [("Cookie", COOKIE), ("Authorization", f"Bearer {TOKEN}")],
}


@dataclass
class Front:
    url: str
    upstream: Upstream

    async def asked(self, line: str, headers: list[tuple[str, str]], host: str = "127.0.0.1:8189") -> RawAnswer:
        method, path = line.split(" ")
        upgrade = (
            [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
             ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")] if "/ws" in path else []
        )  # fmt: skip
        body = b"{}" if method in ("POST", "DELETE") else b""
        return await answer_to(self.url, request(method, path, [("Host", host), *headers, *upgrade], body))


@pytest.fixture
async def front(upstream: Upstream, session: aiohttp.ClientSession) -> AsyncIterator[Front]:
    sockets = Sockets(upstream.url, session, lambda: 0, lambda: None, lambda: None)
    await sockets.start()
    async with running_front(upstream.url, [*guards(sockets), Reroute(sockets, SECRET_HEADER), Streaming()]) as url:
        yield Front(url, upstream)
    await sockets.stop()


@pytest.mark.parametrize("headers", WITHOUT.values(), ids=WITHOUT)
async def test_without_the_token_nothing_passes(front: Front, headers: list[tuple[str, str]]) -> None:
    statuses = {line: (await front.asked(line, headers)).status for line in ROUTES}

    assert statuses == dict.fromkeys(ROUTES, 401)
    assert front.upstream.seen == []


@pytest.mark.parametrize("headers", WITH.values(), ids=WITH)
async def test_with_it_everything_does_and_comfyui_never_sees_it(front: Front, headers: list[tuple[str, str]]) -> None:
    statuses = {line: (await front.asked(line, headers)).status for line in ROUTES}

    bridged = {"GET /ws", "GET /api/ws", "GET /ws?clientId=somebody"}
    assert {line for line, status in statuses.items() if status == 101} == bridged
    assert {status for line, status in statuses.items() if line not in bridged} == {200}
    assert not [head for head in front.upstream.heads for secret in SECRETS if secret in head]
    assert not [head for head in front.upstream.heads if "comfy_runpod" in head]
    if "a=1" in str(headers):
        assert all("cookie: a=1" in head.lower() for head in front.upstream.heads)


@pytest.mark.parametrize("path", ["/prompt", "/upload/image?type=input", "/queue?a=1&b=%20"])
async def test_a_script_may_put_it_into_the_address_and_comfyui_never_sees_it(front: Front, path: str) -> None:
    for query in (LINK, f"%74oken={quote(TOKEN)}"):
        answer = await front.asked(f"POST {path}{'&' if '?' in path else '?'}{query}", [])

        assert answer.status == 200
    assert front.upstream.seen == [f"POST {path}"] * 2
    assert not [head for head in front.upstream.heads for secret in SECRETS if secret in head]


@pytest.mark.parametrize("host", ["evil.example:8189", "localhost.evil.example"])
async def test_the_token_does_not_open_the_door_to_other_names(front: Front, host: str) -> None:
    statuses = [(await front.asked(line, WITH["both"], host)).status for line in ROUTES]

    assert set(statuses) == {403}
    assert front.upstream.seen == []


async def test_the_cookie_does_not_open_the_door_to_other_pages(front: Front) -> None:
    for origin in (
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "https://127.0.0.1:8189",
        "http://evil.example",
        "null",
    ):
        statuses = [(await front.asked(line, [("Origin", origin), ("Cookie", COOKIE)])).status for line in ROUTES]

        assert set(statuses) == {403}, origin
    assert front.upstream.seen == []


async def test_guesses_are_few_whatever_they_are_sent_as(front: Front) -> None:
    guesses = [
        (await front.asked(f"GET /queue?token=a{number}", [("Authorization", f"Bearer b{number}")])).status
        for number in range(20)
    ]

    assert guesses == [401] * 10 + [429] * 10
    assert (await front.asked("GET /queue", WITH["a bearer"])).status == 429
    assert (await front.asked("GET /queue", WITH["a cookie"])).status == 200


# -- a real browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def border(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Border]:
    async with running_border(tmp_path_factory.mktemp("border"), guards) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """The browser of a person, or of a stranger: one that knows nothing yet."""
    async with opened_context(browser) as opened:
        yield opened


PROXIES = ("http://localhost:{proxy}", "http://[::1]:{proxy}", "http://box.lan:{proxy}", "https://box.example")
BESIDE = {
    "http://localhost:{proxy}": ("http://localhost/", "https://localhost/", "http://evil.example/"),
    "http://box.lan:{proxy}": ("http://box.lan/", "http://box.lan:{other}/", "http://evil.example/"),
    "https://box.example": ("http://box.example/", "https://box.example:8443/", "https://evil.example/"),
}
SHOWN_WITH_COOKIE = {("/view", way) for way in ("img", "script", "style", "iframe", "object", "audio", "fetched")}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium")
class TestInChromium:
    @pytest.mark.parametrize("proxy", PROXIES)
    async def test_a_person_opens_the_link_once_and_then_everything_works(
        self, border: Border, context: BrowserContext, proxy: str
    ) -> None:
        url, page = border.filled(proxy), await context.new_page()
        await page.goto(f"{url}/view?a=1&{LINK}")
        shown, expected = page.url, sendings(("redirect", "service-worker"))
        statuses = await border.attacked(page.main_frame, url, set.union(*expected.values()))
        (cookie,) = await context.cookies()

        assert shown == f"{url}/view?a=1"
        assert {statuses[sending] for sending in expected["post"] | expected["get"]} == {200}
        assert {statuses[sending] for sending in expected["socket"]} == {101}
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Lax", url.startswith("https"))
        assert not [head for head in border.upstream.heads for secret in SECRETS if secret in head]

    @pytest.mark.parametrize("proxy", PROXIES)
    async def test_a_stranger_sees_a_page_that_asks_and_gets_nothing_else(
        self, border: Border, context: BrowserContext, proxy: str
    ) -> None:
        url, page, expected = border.filled(proxy), await context.new_page(), sendings(("redirect", "service-worker"))
        answer = await page.goto(f"{url}/?token=wrong")
        statuses = await border.attacked(page.main_frame, url, set.union(*expected.values()))

        assert answer is not None
        assert answer.status == 401
        assert set(statuses.values()) == {401}
        assert border.upstream.seen == []

    async def test_the_page_that_asks_takes_the_token(self, border: Border, context: BrowserContext) -> None:
        url, page = border.filled("http://box.lan:{proxy}"), await context.new_page()
        await page.goto(f"{url}/view")
        await page.get_by_label("Token").fill(TOKEN)
        async with page.expect_navigation(url=f"{url}/view"):
            await page.get_by_role("button", name="Open").click()

        assert "<h1>" not in await page.content()

    @pytest.mark.parametrize("proxy", ["http://localhost:{proxy}", "http://box.lan:{proxy}"])
    async def test_the_link_works_in_a_page_of_mails(self, border: Border, context: BrowserContext, proxy: str) -> None:
        url, page = border.filled(proxy), await context.new_page()
        await page.goto("http://evil.example/")
        async with page.expect_navigation(url=f"{url}/view") as navigation:
            await page.evaluate("(url) => { location.href = url; }", f"{url}/view?{LINK}")
        answer = await navigation.value

        assert answer is not None
        assert answer.status == 200

    @pytest.mark.parametrize(
        ("proxy", "beside"), [(proxy, page) for proxy, pages in BESIDE.items() for page in pages], ids=str
    )
    async def test_a_page_beside_an_open_proxy_changes_nothing_by_its_cookie(
        self, border: Border, context: BrowserContext, proxy: str, beside: str
    ) -> None:
        url, page, expected = border.filled(proxy), await context.new_page(), sendings(("service-worker",))
        await page.goto(f"{url}/view?{LINK}")
        await page.goto(border.filled(beside))
        statuses = await border.attacked(page.main_frame, url, set.union(*expected.values()))
        passed = {sending for sending, status in statuses.items() if status not in (401, 403)}

        assert passed <= SHOWN_WITH_COOKIE
        assert not passed or "evil" not in beside
        assert {line.partition("?")[0] for line in border.upstream.seen} <= {"GET /view", "GET /favicon.ico"}
