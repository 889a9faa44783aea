"""The token as an addon: what is refused, what a link's token becomes, and what goes on to ComfyUI."""

import logging
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest
from mitmproxy import http

from proxy.addons.access import Access
from proxy.addons.token import Token
from tests.support.flows import Sink, answer, asked

TOKEN = "a+token/with=signs&more"
LINK = f"token={quote(TOKEN, safe='')}"
ACCESS = Access(TOKEN, 8189)
COOKIE = ACCESS.cookie(secure=False).partition(";")[0]
PAGE = {"Sec_Fetch_Mode": "navigate"}


@dataclass
class Clock:
    now_s: float = 0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Gate:
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.addon = Token(Sink(), ACCESS, {"box.example": "https", "box.lan": "http"}, self.clock)

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> http.HTTPFlow:
        flow = asked(method, path, body, **headers)
        self.addon.requestheaders(flow)
        return flow

    def status(self, method: str, path: str, **headers: str) -> int | None:
        """None when the request may go on."""
        response = self(method, path, **headers).response
        return response.status_code if response else None


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"token {TOKEN}"},
        {"Cookie": COOKIE},
        {"Cookie": f"a=1; {COOKIE}"},
        {"Cookie": COOKIE, "Authorization": "Basic YTpi"},
        {"Cookie": COOKIE, "Authorization": "Bearer of-something-else"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/prompt"), ("GET", "/ws"), ("GET", "/view?filename=a.png")])
def test_who_shows_the_token_goes_on_without_it(gate: Gate, method: str, path: str, headers: dict[str, str]) -> None:
    flow = gate(method, path, **headers)

    assert flow.response is None
    assert flow.request.path == path
    sent = " ".join(f"{name}: {value}" for name, value in flow.request.headers.items(multi=True))
    assert TOKEN not in sent
    assert ACCESS.cookie_value not in sent
    assert ("Basic" in sent, "a=1" in sent) == ("Basic" in str(headers), "a=1" in str(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": f"Bearer {ACCESS.cookie_value}"},
        {"Cookie": "comfy_runpod_8189=wrong"},
        {"Cookie": f"comfy_runpod_8189={TOKEN}"},
        {"Cookie": f"comfy_runpod_9000={ACCESS.cookie_value}"},
        {"Cookie": f"token={TOKEN}"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/prompt"),
        ("POST", "/api/queue"),
        ("GET", "/ws"),
        ("GET", "/queue"),
        ("OPTIONS", "/prompt"),
        ("HEAD", "/"),
        ("GET", "/runpod/api/status"),
        ("GET", "/extensions/comfy-runpod/runpod.js"),
        ("POST", "/runpod/api/jobs/x/cancel"),
        ("GET", "/queue?token=wrong"),
    ],
)
def test_without_it_nothing_is_answered(gate: Gate, method: str, path: str, headers: dict[str, str]) -> None:
    flow = gate(method, path, **headers)
    status, body = answer(flow)

    assert status == 401
    assert body["error"]["type"] == "unauthorized"
    assert "PROXY_TOKEN" in body["error"]["details"]
    assert flow.response is not None
    assert "comfy-runpod" in flow.response.headers["WWW-Authenticate"]


def test_a_person_sees_a_page_with_a_field(gate: Gate) -> None:
    for headers in (PAGE, {"Accept": "text/html,*/*;q=0.8"}):
        response = gate("GET", "/?token=wrong", **headers).response

        assert response is not None
        assert response.status_code == 401
        assert response.headers["Content-Type"].startswith("text/html")
        assert 'name="token"' in str(response.text)
        assert "PROXY_TOKEN" in str(response.text)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        (f"/?{LINK}", "/"),
        (f"/runpod/?{LINK}", "/runpod/"),
        (f"/?a=1&{LINK}&b=%20", "/?a=1&b=%20"),
        (f"//evil.example/?{LINK}", "/evil.example/"),
        (f"/\\evil.example?{LINK}", "/evil.example"),
    ],
)
def test_a_link_becomes_a_cookie(gate: Gate, path: str, location: str) -> None:
    response = gate("GET", path, **PAGE).response

    assert response is not None
    assert (response.status_code, response.headers["Location"]) == (303, location)
    assert response.headers["Set-Cookie"].startswith(COOKIE)
    assert TOKEN not in str(response.headers)


def test_a_link_to_a_tunnel_with_tls_gives_a_cookie_for_tls_only(gate: Gate) -> None:
    secure = [
        "; Secure" in gate("GET", f"/?{LINK}", Host=host, **PAGE).response.headers["Set-Cookie"]  # type: ignore[union-attr]
        for host in ("Box.example", "box.example:443", "box.lan:8189", "127.0.0.1:8189")
    ]

    assert secure == [True, True, False, False]


def test_a_script_may_put_the_token_into_the_address(gate: Gate) -> None:
    flow = gate("POST", f"/prompt?{LINK}&x=1", {})

    assert flow.response is None
    assert flow.request.path == "/prompt?x=1"


def test_guessing_is_slow_and_open_pages_go_on(gate: Gate) -> None:
    for number in range(20):
        assert gate.status("GET", "/queue", Authorization=f"Bearer {number}") == 401

    assert gate.status("GET", "/queue", Authorization="Bearer 21") == 429
    assert gate.status("GET", "/queue", Authorization=f"Bearer {TOKEN}") == 429
    assert gate.status("GET", f"/?{LINK}", **PAGE) == 429
    assert gate.status("GET", "/queue") == 401
    assert gate.status("GET", "/queue", Cookie=COOKIE) is None

    gate.clock.now_s = 60
    assert gate.status("GET", "/queue", Authorization=f"Bearer {TOKEN}") is None


def test_no_token_is_logged(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        gate("GET", "/queue?token=a-wrong-token", Authorization="Bearer another-wrong-token")
        gate("GET", f"/?{LINK}", **PAGE)

    assert "refused GET /queue: wrong token from 127.0.0.1" in caplog.text
    assert not any(secret in caplog.text for secret in ("a-wrong-token", "another-wrong-token", TOKEN, LINK))


def test_what_has_been_answered_is_left_alone(gate: Gate) -> None:
    flow = asked("POST", "/prompt", {})
    flow.response = http.Response.make(403)
    gate.addon.requestheaders(flow)

    assert answer(flow)[0] == 403


def test_a_long_body_without_the_token_flows_into_the_sink(gate: Gate) -> None:
    flow = gate("POST", "/upload/image", b"x", Transfer_Encoding="chunked")

    assert flow.response is None
    assert (flow.request.host, flow.request.port, flow.request.path) == ("127.0.0.1", 4711, "/refused")


def test_what_cannot_be_checked_is_refused(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    flow = asked("POST", "/prompt", {})
    flow.request.headers.fields = ((b"Host", b"127.0.0.1"), (b"Cookie", None))  # type: ignore[assignment]
    gate.addon.requestheaders(flow)

    assert answer(flow)[0] == 401
    assert "could not be checked" in caplog.text
