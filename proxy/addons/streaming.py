"""Streams every body except the few that the proxy reads or changes."""

import logging

from mitmproxy import http

from proxy.addons.routes import MERGED, READ, Route, merged_max, route

logger = logging.getLogger(__name__)

_SMALL = 64 * 1024
_IMMUTABLE = "public, max-age=31536000, immutable"


class Streaming:
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Uploads are streamed; a prompt is read whole."""
        if flow.response is not None or flow.error is not None or not flow.live or flow.request.stream:
            return  # streaming a request that is already answered hangs the connection
        matched = route(flow.request.method, flow.request.path).route
        if matched in MERGED:
            flow.request.headers["Accept-Encoding"] = "identity"  # so that its length is known before it is read
        if matched not in READ and "Upgrade" not in flow.request.headers:
            flow.request.stream = _has_body(flow.request)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is None:
            return
        matched = route(flow.request.method, flow.request.path).route
        if matched is Route.ASSET and flow.response.status_code == 200:
            flow.response.headers["Cache-Control"] = _IMMUTABLE  # ComfyUI would have each checked at every load
        if flow.response.status_code == 101 or flow.response.raw_content is not None:
            return
        length = _length(flow.response)
        if matched not in MERGED:
            flow.response.stream = (
                length is None or length > _SMALL
            )  # a short one leaves in one piece, which costs less
        elif length is not None and length > merged_max(matched):
            flow.response.stream = True
            logger.warning("ComfyUI's answer to %s is too large: what is at RunPod is not in it", flow.request.path)


def _length(response: http.Response) -> int | None:
    """None when it is not said."""
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isdigit() else None


def _has_body(request: http.Request) -> bool:
    return request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers
