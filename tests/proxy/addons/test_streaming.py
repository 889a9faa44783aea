"""What passes without being kept in memory."""

import pytest

from proxy.addons.streaming import Streaming
from tests.support.flows import answered, asked


@pytest.mark.parametrize(
    ("line", "streamed"),
    [
        ("POST /upload/image", True),
        ("POST /api/upload/mask", True),
        ("POST /custom/route", True),
        ("POST /prompt", False),
        ("POST /api/queue", False),
        ("POST /interrupt", False),
        ("POST /api/jobs/cancel", False),
    ],
)
def test_a_body_is_kept_only_when_it_is_read_here(line: str, streamed: bool) -> None:
    method, path = line.split(" ")
    flow = asked(method, path, b"body")
    Streaming().requestheaders(flow)

    assert flow.request.stream is streamed


@pytest.mark.parametrize("headers", [{}, {"Content_Length": "0"}, {"Upgrade": "websocket", "Content_Length": "5"}])
def test_a_request_without_a_body_is_not_streamed(headers: dict[str, str]) -> None:
    flow = asked("GET", "/object_info", **headers)
    Streaming().requestheaders(flow)

    assert flow.request.stream is False


def test_a_body_of_unknown_length_is_streamed() -> None:
    flow = asked("POST", "/upload/image", b"body", Transfer_Encoding="chunked")
    Streaming().requestheaders(flow)

    assert flow.request.stream is True


def test_a_request_that_is_answered_is_not_streamed_which_would_hang() -> None:
    flow = answered(asked("POST", "/upload/image", b"body"), {}, 403)
    Streaming().requestheaders(flow)

    assert flow.request.stream is False


@pytest.mark.parametrize(
    ("path", "length", "streamed"),
    [
        ("/view?filename=a.mp4", "100000000", True),
        ("/view?filename=a.png", "65536", False),
        ("/view?filename=a.png", "65537", True),
        ("/object_info", "60000000", False),
        ("/api/object_info", "70000000", True),
        ("/models", "60000000", False),
        ("/system_stats", "", True),
        ("/queue", "16000000", False),
        ("/api/history?max_items=64", "16000000", False),
        ("/api/history?max_items=64", "17000000", True),
        ("/api/jobs", "", False),
        ("/api/extensions", "100000000", True),
    ],
)
def test_an_answer_is_kept_when_it_is_small_or_changed_here(path: str, length: str, streamed: bool) -> None:
    flow = answered(asked("GET", path), b"")
    assert flow.response is not None
    flow.response.headers["Content-Length"] = length
    flow.response.raw_content = None
    Streaming().responseheaders(flow)

    assert flow.response.stream is streamed


def test_an_answer_of_ours_and_a_websocket_are_not_streamed() -> None:
    ours, upgraded = answered(asked("GET", "/runpod/"), b"page"), answered(asked("GET", "/custom/ws"), b"", 101)
    for flow in (ours, upgraded):
        Streaming().responseheaders(flow)

        assert flow.response is not None
        assert flow.response.stream is False


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [
        ("/assets/index-BA-sjSl5.js", 200, True),
        ("/assets/index-BA-sjSl5.js", 404, False),
        ("/scripts/app.js", 200, False),
    ],
)
def test_a_hashed_asset_is_kept_by_the_browser_for_good(path: str, status: int, kept: bool) -> None:
    flow = answered(asked("GET", path), b"x", status)
    Streaming().responseheaders(flow)

    assert flow.response is not None
    assert ("immutable" in flow.response.headers.get("Cache-Control", "")) is kept


@pytest.mark.parametrize(("path", "coding"), [("/queue", "identity"), ("/api/jobs", "identity"), ("/view", "gzip, br")])
def test_an_answer_that_is_changed_here_is_not_compressed_so_that_its_length_is_known(path: str, coding: str) -> None:
    flow = asked("GET", path, Accept_Encoding="gzip, br")
    Streaming().requestheaders(flow)

    assert flow.request.headers["Accept-Encoding"] == coding
