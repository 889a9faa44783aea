"""The guard: what it refuses, and where it sends a long body that it refuses."""

import pytest
from mitmproxy import http

from proxy.addons.guard import Guard
from tests.support.flows import Sink, answer, asked


def guarded(flow: http.HTTPFlow, *, allow_remote: bool = False) -> http.HTTPFlow:
    Guard(Sink(), allow_remote=allow_remote).requestheaders(flow)
    return flow


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:8189"},
        {"Host": "localhost:8189", "Origin": "http://localhost:8189"},
        {"Sec_Fetch_Site": "same-origin"},
    ],
)
def test_the_persons_own_page_and_scripts_are_welcome(headers: dict[str, str]) -> None:
    flow = guarded(asked("POST", "/prompt", {}, **headers))

    assert flow.response is None
    assert flow.request.path == "/prompt"
    assert not flow.request.stream


@pytest.mark.parametrize(
    ("headers", "details"),
    [
        ({"Host": "evil.example"}, "the Host header is not an address of the proxy"),
        ({"Host": "192.168.1.5:8189"}, "the Host header is not an address of the proxy"),
        ({"Origin": "http://evil.example"}, "the Origin header is not the proxy's own page"),
        ({"Origin": "http://127.0.0.1:8188"}, "the Origin header is not the proxy's own page"),
        ({"Sec_Fetch_Site": "cross-site"}, "a page of another site sent the request"),
    ],
)
def test_a_foreign_page_is_refused_with_the_reason(headers: dict[str, str], details: str) -> None:
    status, body = answer(guarded(asked("POST", "/prompt", {}, **headers)))

    assert status == 403
    assert body["error"]["type"] == "forbidden"
    assert body["error"]["details"] == details


def test_two_hosts_are_one_too_many() -> None:
    flow = asked("POST", "/prompt", {})
    flow.request.headers.add("Host", "127.0.0.1:8189")

    assert answer(guarded(flow))[0] == 403


def test_an_address_of_another_machine_is_welcome_when_the_person_allows_it() -> None:
    assert guarded(asked("POST", "/prompt", {}, Host="192.168.1.5:8189"), allow_remote=True).response is None
    assert answer(guarded(asked("POST", "/prompt", {}, Host="evil.example"), allow_remote=True))[0] == 403


@pytest.mark.parametrize(
    "length", [{"Content_Length": "65537"}, {"Transfer_Encoding": "chunked"}, {"Content_Length": "many"}]
)
def test_a_long_body_that_is_refused_flows_into_the_sink(length: dict[str, str]) -> None:
    flow = guarded(asked("POST", "/upload/image", b"x", Origin="http://evil.example", **length))

    assert flow.response is None
    assert (flow.request.host, flow.request.port, flow.request.path) == ("127.0.0.1", 4711, "/refused")
    assert flow.request.stream is True


def test_a_guard_that_cannot_judge_refuses(caplog: pytest.LogCaptureFixture) -> None:
    flow = asked("POST", "/prompt", {})
    flow.request.headers.fields = ((b"Host", b"127.0.0.1"), (b"Origin", None))  # type: ignore[assignment]
    guarded(flow)

    assert "the origin check failed" in caplog.text
    assert answer(flow)[1]["error"]["details"] == "the request could not be checked"
