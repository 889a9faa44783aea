"""Who may talk to the sandbox endpoint: programs of this machine that have a key. No page has business here."""

import hmac
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from wire.origin import refusal

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page_refusal(method: str, headers: Iterable[tuple[str, str]]) -> str | None:
    """Why the request may come from a page; None for a program's. *headers* are all of the request's."""
    sent = [(name.lower(), value) for name, value in headers]
    if any(name == "origin" or (name == "sec-fetch-site" and value != "none") for name, value in sent):
        return "only programs may use the sandbox endpoint, and a page sent the request"
    return refusal(method, sent)


@web.middleware
async def programs_only(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """403 for whatever a page can have caused, also one whose name was rebound to this machine."""
    if reason := page_refusal(request.method, request.headers.items()):
        return web.json_response({"error": reason}, status=403)
    return await handler(request)


def has_key(request: web.Request, key: str) -> bool:
    """Whether the request carries *key*: RunPod's clients write ``Bearer`` before it, its workers do not."""
    return hmac.compare_digest(sent_key(request).encode(errors="replace"), key.encode())


def sent_key(request: web.Request) -> str:
    """The key of the request; empty without one."""
    return request.headers.get("Authorization", "").removeprefix("Bearer ")
