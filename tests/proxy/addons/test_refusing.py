"""Refusing a request before its body has come."""

import pytest

from proxy.addons.refusing import refuse
from proxy.addons.responses import comfy_error
from tests.support.flows import Sink, answer, asked


@pytest.mark.parametrize("body", [None, b"x", bytes(65_536)], ids=["none", "short", "64 KiB"])
def test_a_short_request_is_answered(body: bytes | None) -> None:
    flow = asked("POST", "/upload/image", body)
    refuse(flow, comfy_error(401, "unauthorized", "No"), Sink())

    assert answer(flow)[0] == 401
    assert not flow.request.stream


@pytest.mark.parametrize(
    "length", [{"Content_Length": "65537"}, {"Transfer_Encoding": "chunked"}, {"Content_Length": "many"}], ids=str
)
def test_a_long_one_flows_into_the_sink(length: dict[str, str]) -> None:
    flow = asked("POST", "/upload/image", b"x", **length)
    refuse(flow, comfy_error(401, "unauthorized", "No"), Sink())

    assert flow.response is None
    assert (flow.request.host, flow.request.port, flow.request.path) == ("127.0.0.1", 4711, "/refused")
    assert flow.request.stream is True
