"""How a request is refused before its body has come; shared by the addons that refuse."""

from typing import Protocol

from mitmproxy import http

_READ_ANYWAY = 64 * 1024
"""bytes of a refused body that are read before the answer"""


class Sink(Protocol):
    """Where a long refused body is thrown away: an HTTP server of ours that answers 403 to everything unknown."""

    host: str
    port: int


def refuse(flow: http.HTTPFlow, answer: http.Response, sink: Sink) -> None:
    """Refuse with *answer*. mitmproxy reads a body whole before it answers, so a long one flows on, into *sink*."""
    if _is_short(flow.request):
        flow.response = answer
        return
    flow.request.path = "/refused"
    flow.request.host, flow.request.port = sink.host, sink.port
    flow.request.stream = True


def _is_short(request: http.Request) -> bool:
    length = request.headers.get("Content-Length", "0")
    return "Transfer-Encoding" not in request.headers and length.isdigit() and int(length) <= _READ_ANYWAY
