"""The in-process websocket endpoint to which `/ws` is rerouted.

One browser socket is bridged to one ComfyUI socket; our messages are written between whole ones. The browser's socket
stays open while ComfyUI restarts. A second upstream socket with the same client id would make the browser deaf
(ComfyUI forgets the id when either closes), so there is never one: the newest browser socket of an id has it.
"""

import asyncio
import hmac
import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from engine.messages.translate import BrowserMessage, StatusDue
from proxy.websocket.bridge import BrowserSocket
from proxy.websocket.live_prompt import Live, Snapshot, as_broadcast, begins, ends, is_broadcast
from wire.comfy import Message
from wire.ids import ClientId, PromptId

logger = logging.getLogger(__name__)

SECRET_HEADER = "X-Comfy-Runpod-Secret"  # noqa: S105  the header's name, not its value
_STOP_S = 2.0
_CONNECT_S = 10.0
_QUIET_S = 2.0


class Sockets:
    """All browser sockets, and what runs remotely for whom.

    *upstream_restarted* is called when a connection to ComfyUI is lost, *upstream_came* when there is one after none.
    """

    def __init__(
        self,
        comfyui_url: str,
        session: aiohttp.ClientSession,
        remote_count: Callable[[], int],
        upstream_restarted: Callable[[], None],
        upstream_came: Callable[[], None],
    ) -> None:
        self._url = comfyui_url.replace("http", "ws", 1) + "/ws"
        self._session = session
        self._remote_count = remote_count
        self._upstream_restarted = upstream_restarted
        self._upstream_came = upstream_came
        self._connections = 0
        self._open: list[BrowserSocket] = []
        self._running: dict[PromptId, tuple[ClientId | None, Snapshot]] = {}
        self._waiting: dict[PromptId, tuple[ClientId | None, Message]] = {}
        self._runner: web.AppRunner | None = None
        self._repeat: asyncio.TimerHandle | None = None
        self.secret = secrets.token_urlsafe(32)
        self.host = "127.0.0.1"
        self.port = 0

    async def start(self) -> None:
        """Listen on a free loopback port, told in :attr:`port`."""
        app = web.Application()
        app.router.add_get("/ws", self._bridge)
        app.router.add_get("/api/ws", self._bridge)
        app.router.add_route("*", "/{path:.*}", _refuse)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
        for socket in list(self._open):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        """Write *messages* of a remote prompt to the sockets of *client_id*; ``status`` goes to everybody."""
        for message in messages:
            if isinstance(message, StatusDue):
                self.publish_status()
                continue
            self._remember(prompt_id, client_id, message)
            shown = as_broadcast(message) if client_id is None else message
            for socket in self._listening(client_id, message):
                socket.tell(shown)

    @property
    def listeners(self) -> int:
        """How many browser sockets are open."""
        return len(self._open)

    def publish_status(self) -> None:
        """Tell every socket the queue's length: the queue or the history has changed.

        Frontends then ask for both, and show the reply that comes last even if it is the older one. That would stay,
        so the length is told once more when it has been quiet for a while.
        """
        self._tell_status()
        if self._repeat is not None:
            self._repeat.cancel()
        self._repeat = asyncio.get_running_loop().call_later(_QUIET_S, self._tell_status)

    def _tell_status(self) -> None:
        for socket in self._open:
            socket.tell_status()

    def notice(self, severity: str, summary: str, detail: str) -> None:
        """A toast in every open page (our own script listens for it)."""
        message = Message("runpod.notice", {"severity": severity, "summary": summary, "detail": detail, "life": 8000})
        for socket in self._open:
            socket.tell(message)

    def _remember(self, prompt_id: PromptId, client_id: ClientId | None, message: Live) -> None:
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

    def _listening(self, client_id: ClientId | None, message: Live) -> list[BrowserSocket]:
        if client_id is None:  # a prompt that a script posted: ComfyUI tells everybody how it goes, and nobody the rest
            return self._open if is_broadcast(message) else []
        return self._with_sid(client_id)

    def _with_sid(self, sid: str) -> list[BrowserSocket]:
        """The sockets of one page, the oldest first; more than one when a tab was duplicated or reloads."""
        return [socket for socket in self._open if socket.sid == sid]

    async def _bridge(self, request: web.Request) -> web.StreamResponse:
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, ""), self.secret):
            raise web.HTTPForbidden
        browser = web.WebSocketResponse(compress=False, max_msg_size=0)
        await browser.prepare(request)
        socket = BrowserSocket(
            browser=browser,
            upstream=lambda sid: self._connect(sid, request.headers),
            sid=request.query.get("clientId") or None,
            new_sid=lambda: uuid.uuid4().hex,
            remote_count=self._remote_count,
            upstream_restarted=self._upstream_restarted,
            introduced=self._introduced,
        )
        older = self._with_sid(socket.sid) if socket.sid else []
        self._open.append(socket)
        try:
            await asyncio.gather(*(other.yield_upstream() for other in older))
            if not await socket.run() and request.transport is not None:
                logger.warning("%s has not read for long and is let go", socket.sid)
                request.transport.abort()  # closing in peace would wait for it
        finally:
            self._open.remove(socket)
            self._pass_on(socket.sid)
        return browser

    def _pass_on(self, sid: str | None) -> None:
        """The newest of the sockets that are left with this id speaks with ComfyUI again."""
        left = self._with_sid(sid) if sid else []
        if left:
            left[-1].resume_upstream()

    def _introduced(self, socket: BrowserSocket) -> None:
        for prompt_id, (client_id, snapshot) in self._running.items():
            if client_id is not None and client_id == socket.sid:
                socket.join(prompt_id, snapshot)
        for client_id, message in self._waiting.values():
            if client_id is not None and client_id == socket.sid:
                socket.tell(message)

    @asynccontextmanager
    async def _connect(
        self, sid: str | None, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        kept = {name: headers[name] for name in ("Cookie", "Comfy-User", "User-Agent") if name in headers}
        params = {"clientId": sid} if sid else {}
        async with asyncio.timeout(_CONNECT_S):
            upstream = await self._session.ws_connect(self._url, params=params, headers=kept, max_msg_size=0)
        self._connections += 1
        if self._connections == 1:
            self._upstream_came()
        try:
            yield upstream
        finally:
            self._connections -= 1
            await upstream.close()


async def _refuse(_: web.Request) -> web.StreamResponse:
    """Whatever else arrives here was refused before; its body is thrown away."""
    raise web.HTTPForbidden
