"""Refuses every request that does not carry the token of PROXY_TOKEN, and takes the token out of those that do."""

import logging
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from mitmproxy import http

from proxy.addons.access import Access, token_in_header, tokens_in_query, without_cookies, without_tokens
from proxy.addons.guesses import Guesses
from proxy.addons.refusing import Sink, refuse
from proxy.addons.responses import comfy_error
from proxy.addons.routes import path_for_log

logger = logging.getLogger(__name__)

_HOW = "open the page with ?token= and the value of PROXY_TOKEN, or send the header Authorization: Bearer"
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ComfyUI on RunPod</title>
<meta name="viewport" content="width=device-width">
<style>body{font:16px/1.5 system-ui;max-width:36em;margin:15vh auto;padding:0 1em;color:#ddd;background:#202020}
code{background:#333;padding:.1em .3em;border-radius:.2em}</style></head>
<body><h1>This page needs a token</h1>
<p>It is the value of <code>PROXY_TOKEN</code>, as the person who started the proxy has set it. The link that
<code>make proxy</code> prints holds it.</p>
<form method="get"><label>Token <input type="password" name="token" autocomplete="off" autofocus required></label>
<button>Open</button></form></body></html>"""


class Token:
    """*names* are the host names that are admitted, each with the scheme of its page."""

    def __init__(
        self,
        sink: Sink,
        access: Access,
        names: Mapping[str, str] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._access = access
        self._names = names
        self._clock = clock
        self._guesses = Guesses()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None:
            return
        try:
            answer = self._answer(flow.request, _address(flow))
        except Exception:  # what cannot be checked is refused
            logger.exception("the token could not be checked")
            answer = _unauthorized(flow.request)
        if answer is not None:
            refuse(flow, answer, self._sink)

    def _answer(self, request: http.Request, address: str) -> http.Response | None:
        """The answer to a request without the token, or with a link's token; None when the request may go on."""
        is_page = self._access.has_cookie("; ".join(request.headers.get_all("Cookie")))
        in_query = tokens_in_query(request.path)
        offered = [*in_query, *filter(None, map(token_in_header, request.headers.get_all("Authorization")))]
        if offered and not is_page and self._guesses.are_too_many(address, self._clock()):
            return _too_many()
        right = [self._access.is_token(token) for token in offered]
        if not is_page and not any(right):
            self._count(request, address, offered)
            return _unauthorized(request)
        self._take_out(request)
        if any(right[: len(in_query)]) and _is_navigation(request):
            return self._with_cookie(request)
        return None

    def _count(self, request: http.Request, address: str, wrong: list[str]) -> None:
        for token in wrong:
            if self._guesses.add(address, token, self._clock()):
                logger.warning(
                    "refused %s %s: wrong token from %s", request.method, path_for_log(request.path), address
                )

    def _take_out(self, request: http.Request) -> None:
        """ComfyUI and its extensions never see the token."""
        headers, is_token = request.headers, self._access.is_token
        request.path = without_tokens(request.path, is_token)
        others = [value for value in headers.get_all("Authorization") if not is_token(token_in_header(value) or "")]
        headers.set_all("Authorization", others)
        cookies = without_cookies("; ".join(headers.get_all("Cookie")))
        headers.set_all("Cookie", [cookies] if cookies else [])

    def _with_cookie(self, request: http.Request) -> http.Response:
        """Sends the browser on to the same address without the token, with a cookie instead."""
        name = (request.host_header or "").partition(":")[0].lower()
        headers = {
            "Location": "/" + request.path.lstrip("/\\"),  # "//name" would lead to another host
            "Set-Cookie": self._access.cookie(secure=self._names.get(name) == "https"),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Content-Length": "0",
        }
        return http.Response.make(303, b"", headers)


def _address(flow: http.HTTPFlow) -> str:
    peer = flow.client_conn.peername
    return str(peer[0]) if peer else ""


def _is_navigation(request: http.Request) -> bool:
    """Whether a person waits for a page. Over plain http from another machine, a browser sends no Sec-Fetch-Mode."""
    if request.method != "GET" or "Upgrade" in request.headers:
        return False
    mode = request.headers.get("Sec-Fetch-Mode")
    return mode == "navigate" if mode is not None else "text/html" in request.headers.get("Accept", "")


def _unauthorized(request: http.Request) -> http.Response:
    answer = comfy_error(401, "unauthorized", "The proxy needs its token", _HOW)
    if _is_navigation(request):
        answer = http.Response.make(401, _PAGE, {"Content-Type": "text/html; charset=utf-8"})
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["WWW-Authenticate"] = 'Bearer realm="comfy-runpod"'
    return answer


def _too_many() -> http.Response:
    details = "wait a minute; pages that are open go on"
    answer = comfy_error(429, "too_many_requests", "Too many wrong tokens came from this address", details)
    answer.headers["Retry-After"] = "60"
    return answer
