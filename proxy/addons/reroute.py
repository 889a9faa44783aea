"""Sends websockets to the in-process endpoint, which bridges them to ComfyUI (mitmproxy's own injection is unsafe)."""

from typing import Protocol

from mitmproxy import http, tcp

from proxy.addons.routes import Route, route


class Bridge(Protocol):
    """Where the in-process endpoint listens, known once it has started."""

    host: str
    port: int
    secret: str


class Reroute:
    def __init__(self, bridge: Bridge, secret_header: str) -> None:
        self._bridge = bridge
        self._secret_header = secret_header

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        request.headers.pop(self._secret_header, None)  # only this addon may set it
        if flow.response is not None or flow.error is not None or not flow.live:
            return
        if route(request.method, request.path).route is not Route.SOCKET or "Upgrade" not in request.headers:
            return
        host_header = request.host_header
        request.host, request.port = self._bridge.host, self._bridge.port
        request.host_header = host_header  # setting host has changed it
        request.headers[self._secret_header] = self._bridge.secret
        request.headers.pop("Sec-WebSocket-Extensions", None)  # compressing on loopback costs more than it saves

    def tcp_message(self, flow: tcp.TCPFlow) -> None:
        """mitmproxy keeps everything that passes a socket; hours of previews would fill the memory."""
        flow.messages.clear()
