"""The in-process websocket endpoint to which `/ws` is rerouted.

One browser socket is bridged to one ComfyUI socket; our messages are written between whole ones. The browser's socket
stays open while ComfyUI restarts. A second ComfyUI socket with the same client id would make the browser deaf (ComfyUI
forgets the id when either of them closes), so the newest browser socket of an id has the only one.
"""

import asyncio
import hmac
import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from engine.messages.translate import BrowserMessage, StatusDue
from proxy.websocket.bridge import BrowserSocket
from proxy.websocket.live_prompt import Live, Snapshot, as_broadcast, begins, ends, is_broadcast
from wire.comfy import Message
from wire.ids import ClientId, PromptId
from wire.limits import MIB

logger = logging.getLogger(__name__)

SECRET_HEADER = "X-Comfy-Runpod-Secret"  # noqa: S105  the header's name, not its value
_FROM_PAGE_MAX = MIB
"""bytes of a message: a page sends its feature flags, and what an extension adds"""
_FROM_COMFYUI_MAX = 24 * MIB
"""bytes of a message: a picture that is a result comes in one; a preview has less than one MiB"""
_STOP_S = 2.0
_CONNECT_S = 10.0
_QUIET_S = 2.0


class Sockets:
    """All browser sockets, and what runs remotely for which of them.

    *on_connected* is called when there is a connection to ComfyUI after there was none, *on_lost* when ComfyUI has
    closed one.
    """

    def __init__(
        self,
        comfyui_url: str,
        session: aiohttp.ClientSession,
        remote_count: Callable[[], int],
        on_lost: Callable[[], None],
        on_connected: Callable[[], None],
    ) -> None:
        self._url = comfyui_url.replace("http", "ws", 1) + "/ws"
        self._session = session
        self._remote_count = remote_count
        self._on_lost = on_lost
        self._on_connected = on_connected
        self._connections = 0
        self._open: dict[BrowserSocket, asyncio.BaseTransport | None] = {}
        self._browsers: dict[BrowserSocket, str] = {}
        self._closing = False
        self._running: dict[PromptId, tuple[ClientId | None, Snapshot]] = {}
        self._waiting: dict[PromptId, tuple[ClientId | None, Message]] = {}
        self._runner: web.AppRunner | None = None
        self._repeat: asyncio.TimerHandle | None = None
        self.secret = secrets.token_urlsafe(32)
        self.host = "127.0.0.1"
        self.port = 0

    async def start(self) -> None:
        """Listen on a free loopback port, which is then in :attr:`port`."""
        app = web.Application()
        app.router.add_get("/ws", self._serve)
        app.router.add_get("/api/ws", self._serve)
        app.router.add_route("*", "/{path:.*}", _refuse)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
        await asyncio.gather(*(socket.close() for socket in list(self._open)))
        if self._runner is not None:
            await self._runner.cleanup()

    # -- Publisher

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        """Send *messages* about a remote prompt to the sockets of *client_id*; ``status`` goes to every socket."""
        for message in messages:
            if isinstance(message, StatusDue):
                self.publish_status()
                continue
            self._remember(prompt_id, client_id, message)
            sent = as_broadcast(message) if client_id is None else message
            for socket in self._recipients(client_id, message):
                socket.send(sent)

    def publish_status(self) -> None:
        """Send the length of the queue to every socket: the queue or the history has changed.

        A page then asks for both, and shows the reply that comes last even if it is the older one. That would stay, so
        the length is sent once more when nothing has changed for a while.
        """
        self._send_status()
        if self._repeat is not None:
            self._repeat.cancel()
        self._repeat = asyncio.get_running_loop().call_later(_QUIET_S, self._send_status)

    def notice(self, severity: str, summary: str, detail: str) -> None:
        """Show a toast in every open page; our own script there listens for it."""
        shown = {"severity": severity, "summary": summary, "detail": detail[:1000], "life": 8000}
        self.broadcast("runpod.notice", shown)

    def broadcast(self, kind: str, data: dict[str, Any]) -> None:
        """Send a message of ours to every open page."""
        message = Message(kind, data)
        for socket in self._open:
            socket.send(message)

    @property
    def any_open(self) -> bool:
        """Whether a page is open."""
        return bool(self._open)

    def _send_status(self) -> None:
        for socket in self._open:
            socket.send_status()

    def _remember(self, prompt_id: PromptId, client_id: ClientId | None, message: Live) -> None:
        """What a page needs that connects while the prompt waits or runs."""
        if isinstance(message, Message) and message.type == "notification":
            self._waiting.pop(prompt_id, None)
            if message.data["value"]:
                self._waiting[prompt_id] = (client_id, message)
        if begins(message):
            self._running[prompt_id] = (client_id, Snapshot(local=False))
        if prompt_id not in self._running:
            return
        self._running[prompt_id][1].apply(message)
        if ends(message):
            del self._running[prompt_id]

    def _recipients(self, client_id: ClientId | None, message: Live) -> Iterable[BrowserSocket]:
        """A prompt without a client id came from a script: ComfyUI sends its progress to every socket, and no more."""
        if client_id is None:
            return list(self._open) if is_broadcast(message) else []
        return self._with_sid(client_id)

    def _with_sid(self, sid: str) -> list[BrowserSocket]:
        """The sockets of one page, the oldest first; several when a tab was duplicated or reloads."""
        return [socket for socket in self._open if socket.sid == sid]

    def browsers_of(self, client_id: ClientId) -> frozenset[str]:
        """The User-Agent of each browser in which the page is open."""
        return frozenset(self._browsers.get(socket, "") for socket in self._with_sid(client_id))

    # -- one socket

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not hmac.compare_digest(
            request.headers.get(SECRET_HEADER, "").encode(errors="replace"), self.secret.encode()
        ):
            raise web.HTTPForbidden
        browser = web.WebSocketResponse(compress=False, max_msg_size=_FROM_PAGE_MAX, timeout=_STOP_S)
        await browser.prepare(request)
        socket = BrowserSocket(
            browser=browser,
            connect=lambda sid: self._connect(sid, request.headers),
            sid=request.query.get("clientId") or None,
            new_sid=lambda: uuid.uuid4().hex,
            remote_count=self._remote_count,
            on_lost=self._on_lost,
            on_greeted=self._send_what_runs,
            on_stuck=self._close_soon,
        )
        older = self._with_sid(socket.sid) if socket.sid else []
        self._open[socket] = request.transport
        self._browsers[socket] = request.headers.get("User-Agent", "")
        try:
            await asyncio.gather(*(other.release_upstream() for other in older))
            await socket.run()
        finally:
            self._open.pop(socket, None)
            self._browsers.pop(socket, None)
            self._resume_newest(socket.sid)
        return browser

    def _resume_newest(self, sid: str | None) -> None:
        """The newest of the sockets that are left with this id connects to ComfyUI again."""
        left = self._with_sid(sid) if sid else []
        if left:
            left[-1].resume_upstream()

    def _send_what_runs(self, socket: BrowserSocket) -> None:
        for prompt_id, (client_id, snapshot) in self._running.items():
            if client_id is not None and client_id == socket.sid:
                socket.send_running(prompt_id, snapshot)
        for client_id, message in self._waiting.values():
            if client_id is not None and client_id == socket.sid:
                socket.send(message)

    def _close_soon(self, _: BrowserSocket) -> None:
        """After the message that was too much has gone to all sockets: it may be too much for many of them."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._close_stuck)

    def _close_stuck(self) -> None:
        """Close all that are about as far behind, so that a sleeping laptop is one line of the log."""
        self._closing = False
        stuck = [socket for socket in self._open if socket.is_stuck]
        pages = ", ".join(sorted({str(socket.sid) for socket in stuck}))
        logger.warning("closing %d websockets (%s): the browser stopped reading", len(stuck), pages)
        for socket in stuck:
            transport = self._open.pop(socket)
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()  # an orderly close would wait for the browser

    @asynccontextmanager
    async def _connect(
        self, sid: str | None, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        passed = {name: headers[name] for name in ("Cookie", "Comfy-User", "User-Agent") if name in headers}
        params = {"clientId": sid} if sid else {}
        async with asyncio.timeout(_CONNECT_S):
            upstream = await self._session.ws_connect(
                self._url, params=params, headers=passed, max_msg_size=_FROM_COMFYUI_MAX
            )
        self._connections += 1
        if self._connections == 1:
            self._on_connected()
        try:
            yield upstream
        finally:
            self._connections -= 1
            await upstream.close()


async def _refuse(_: web.Request) -> web.StreamResponse:
    """Whatever else arrives here was refused before; its body is thrown away."""
    raise web.HTTPForbidden
