"""What passes through unbuffered: everything but the few bodies that we read or change."""

from mitmproxy import http

from proxy.addons.answers import comfy_error
from proxy.core.routing import MERGED, READ, Route, route

_IMMUTABLE = "public, max-age=31536000, immutable"
_BODY_MAX = 100 * 1024 * 1024
"""ComfyUI's own default --max-upload-size"""


class Streaming:
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Uploads are streamed. A prompt is read whole, but not without bound."""
        if flow.response is not None or flow.error is not None or not flow.live:
            return  # streaming a request that is already answered hangs the connection
        matched = route(flow.request.method, flow.request.path).route
        if matched in READ:
            self._bound(flow)
        elif "Upgrade" not in flow.request.headers:
            flow.request.stream = _has_body(flow.request)

    def _bound(self, flow: http.HTTPFlow) -> None:
        length = flow.request.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) <= _BODY_MAX and "Transfer-Encoding" not in flow.request.headers:
            return
        if length.isdigit() and int(length) > _BODY_MAX:
            flow.kill()  # answering would mean to read it all first
        elif not length.isdigit():
            flow.response = comfy_error(400, "bad_request", "Content-Length is not a number")

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is None:
            return
        matched = route(flow.request.method, flow.request.path).route
        if matched is Route.ASSET and flow.response.status_code == 200:
            flow.response.headers["Cache-Control"] = _IMMUTABLE  # ComfyUI would have each checked at every load
        if matched not in MERGED and flow.response.status_code != 101 and flow.response.raw_content is None:
            flow.response.stream = True


def _has_body(request: http.Request) -> bool:
    return request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers
