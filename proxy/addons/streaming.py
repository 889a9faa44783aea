"""Streams every body except the few that the proxy reads or changes."""

from mitmproxy import http

from proxy.addons.routes import MERGED, READ, Route, route

_SMALL = 64 * 1024
_IMMUTABLE = "public, max-age=31536000, immutable"


class Streaming:
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Uploads are streamed; a prompt is read whole."""
        if flow.response is not None or flow.error is not None or not flow.live or flow.request.stream:
            return  # streaming a request that is already answered hangs the connection
        matched = route(flow.request.method, flow.request.path).route
        if matched not in READ and "Upgrade" not in flow.request.headers:
            flow.request.stream = _has_body(flow.request)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is None:
            return
        matched = route(flow.request.method, flow.request.path).route
        if matched is Route.ASSET and flow.response.status_code == 200:
            flow.response.headers["Cache-Control"] = _IMMUTABLE  # ComfyUI would have each checked at every load
        if matched not in MERGED and flow.response.status_code != 101 and flow.response.raw_content is None:
            flow.response.stream = not _is_small(flow.response)


def _is_small(response: http.Response) -> bool:
    """A short body of known length leaves in one piece with its headers, which costs less than two."""
    length = response.headers.get("Content-Length", "")
    return length.isdigit() and int(length) <= _SMALL


def _has_body(request: http.Request) -> bool:
    return request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers
