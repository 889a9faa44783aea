"""Refuses every request that a foreign page could have caused, before anything else sees it."""

import logging
from typing import Protocol

from mitmproxy import http

from proxy.addons.responses import comfy_error
from wire.origin import refusal

logger = logging.getLogger(__name__)

_READ_ANYWAY = 64 * 1024
"""bytes of a refused body that are read before the answer"""


class Sink(Protocol):
    """Where a long refused body is thrown away: an HTTP server of ours that answers 403 to everything unknown."""

    host: str
    port: int


class Guard:
    def __init__(self, sink: Sink, *, allow_remote: bool) -> None:
        self._sink = sink
        self._allow_remote = allow_remote

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        try:
            reason = self._reason(flow.request)
        except Exception:  # a guard that cannot judge refuses
            logger.exception("the origin check failed")
            reason = "the request could not be checked"
        if reason is not None:
            self._refuse(flow, reason)

    def _reason(self, request: http.Request) -> str | None:
        headers = request.headers.items(multi=True)
        return refusal(request.method, headers, allow_remote=self._allow_remote)

    def _refuse(self, flow: http.HTTPFlow, reason: str) -> None:
        logger.warning("refused %s %s: %s", flow.request.method, flow.request.path, reason)
        if _is_short(flow.request):
            flow.response = comfy_error(403, "forbidden", "Forbidden", reason)
            return
        # mitmproxy reads a body whole before it sends our answer, so a long one flows past it, into the sink
        flow.request.path = "/refused"
        flow.request.host, flow.request.port = self._sink.host, self._sink.port
        flow.request.stream = True


def _is_short(request: http.Request) -> bool:
    length = request.headers.get("Content-Length", "0")
    return "Transfer-Encoding" not in request.headers and length.isdigit() and int(length) <= _READ_ANYWAY
