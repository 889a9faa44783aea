"""While ComfyUI is down: a page that says so and reloads itself, and errors in ComfyUI's shape."""

import asyncio
import contextlib
import html
import logging
from urllib.parse import urlsplit

from mitmproxy import http
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from proxy.addons.fail_closed import fail_closed
from proxy.addons.responses import comfy_error
from proxy.addons.routes import Route, route

logger = logging.getLogger(__name__)

_PROBE_S = 1.0
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ComfyUI does not answer</title>
<meta http-equiv="refresh" content="2"><meta name="viewport" content="width=device-width">
<style>body{{font:16px/1.5 system-ui;max-width:36em;margin:15vh auto;padding:0 1em;color:#ddd;background:#202020}}
code{{background:#333;padding:.1em .3em;border-radius:.2em}}a{{color:#8bf}}</style></head>
<body><h1>ComfyUI does not answer</h1>
<p>The proxy is running, but nothing answers at <code>{url}</code>. If ComfyUI is starting, it appears here as soon
as it is ready.</p>
<p>To use a ComfyUI at another address, set <code>COMFYUI_URL</code>. Jobs on RunPod continue:
<a href="/runpod/">see the jobs</a>.</p></body></html>"""


class Upstream:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = url
        self._address = (parts.hostname or "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80))
        self._down = False

    def server_connect_error(self, data: ServerConnectionHookData) -> None:
        self._down = self._down or data.server.address == self._address

    def server_connected(self, data: ServerConnectionHookData) -> None:
        if data.server.address == self._address:
            self._down = False

    @fail_closed
    async def request(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is Route.SOCKET:
            return  # goes to the bridge, which waits for ComfyUI
        navigation = flow.request.headers.get("Sec-Fetch-Mode") == "navigate"
        if not (navigation or self._down) or await self._answers():
            return
        self._down = True
        if navigation:
            headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Retry-After": "2"}
            flow.response = http.Response.make(503, _PAGE.format(url=html.escape(self._url)), headers)
        else:
            flow.response = comfy_error(503, "comfyui_unavailable", "ComfyUI does not answer", f"at {self._url}")

    async def _answers(self) -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PROBE_S):
                _, writer = await asyncio.open_connection(*self._address)
            writer.close()
            self._down = False
            return True
        return False
