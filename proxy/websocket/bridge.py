"""One browser's websocket, bridged to one websocket of ComfyUI."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
from aiohttp import web

from proxy.websocket.feature_flags import flags_for_comfyui, flags_for_page
from proxy.websocket.live_prompt import Live, LivePrompt, Snapshot
from proxy.websocket.outbox import BrowserOutbox
from wire import plain_json
from wire.backoff import next_delay
from wire.comfy import (
    CustomMessage,
    Message,
    PreviewFrame,
    TextFrame,
    UnknownFrame,
    parse_binary,
    parse_text,
    render_preview,
    render_progress_text,
    render_text,
)
from wire.errors import WireError
from wire.limits import MIB

logger = logging.getLogger(__name__)

_RECONNECT_CAP_S = 2.0
_READ_MAX = MIB
"""characters of a message that is looked at; a longer one passes as it is"""
_HANDOVER_S = 5.0


class BrowserSocket:
    """The bridge. :meth:`send` and its kin may be called at any time and never wait.

    *connect* opens ComfyUI's socket for a client id. *on_greeted* is called when the page knows its id, *on_lost* when
    ComfyUI closed the connection, *on_stuck* when the page has stopped reading.
    """

    def __init__(
        self,
        *,
        browser: web.WebSocketResponse,
        connect: Callable[[str | None], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]],
        sid: str | None,
        new_sid: Callable[[], str],
        remote_count: Callable[[], int],
        on_lost: Callable[[], None],
        on_greeted: Callable[["BrowserSocket"], None],
        on_stuck: Callable[["BrowserSocket"], None],
    ) -> None:
        self.sid = sid
        self._browser = browser
        self._connect = connect
        self._new_sid = new_sid
        self._remote_count = remote_count
        self._on_lost = on_lost
        self._on_greeted = on_greeted
        self._outbox = BrowserOutbox(lambda: on_stuck(self))
        self._live = LivePrompt()
        self._upstream: aiohttp.ClientWebSocketResponse | None = None
        self._upstream_count = 0
        self._first_message: str | None = None
        """the page's feature flags, repeated to a ComfyUI that was restarted"""
        self._flags: dict[str, object] = {}
        self._greeted = False
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._connection = asyncio.Lock()
        """held while there is a connection to ComfyUI"""

    async def run(self) -> None:
        """Bridge until the browser leaves."""
        helpers = [asyncio.create_task(work) for work in (self._write_browser(), self._follow_upstream())]
        try:
            await self._read_browser()
        finally:
            for task in helpers:
                task.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
            if self._upstream is not None:
                await self._upstream.close()

    @property
    def is_stuck(self) -> bool:
        """Whether so much waits for the browser that it must have stopped reading."""
        return self._outbox.is_long

    async def close(self) -> None:
        await self._browser.close(code=aiohttp.WSCloseCode.GOING_AWAY)

    async def release_upstream(self) -> None:
        """Leave ComfyUI to a newer socket with the same client id: it forgets an id when one of two closes."""
        self._may_connect.clear()
        self._greet_without_comfyui()
        if self._upstream is not None:
            await self._upstream.close()
        try:
            async with asyncio.timeout(_HANDOVER_S), self._connection:
                logger.debug("%s: a newer socket takes over", self.sid)
        except TimeoutError:
            logger.warning("%s: the connection to ComfyUI does not close", self.sid)

    def resume_upstream(self) -> None:
        """Connect to ComfyUI again: the newer socket has left."""
        self._may_connect.set()

    # -- from the proxy

    def send(self, message: Live) -> None:
        """Send a message about a remote prompt, or about no prompt."""
        for shown in self._live.feed(message, local=False):
            self._enqueue(shown)

    def send_status(self) -> None:
        """Send the length of the queue, local and remote prompts together."""
        if self._greeted:
            self._enqueue(Message("status", {"status": {"exec_info": {"queue_remaining": self._count()}}}))

    def send_running(self, prompt_id: str, snapshot: Snapshot) -> None:
        """Show a remote prompt that already runs."""
        for shown in self._live.add_running(prompt_id, snapshot):
            self._enqueue(shown)

    def _count(self) -> int:
        return self._upstream_count + self._remote_count()

    def _enqueue(self, message: Live) -> None:
        match message:
            case Message() | CustomMessage():
                self._outbox.put(render_text(message))
            case UnknownFrame(frame=frame):
                self._outbox.put(frame, droppable=message.is_picture)
            case PreviewFrame():
                modern = bool(self._flags.get("supports_preview_metadata")) and message.node_id is not None
                frame = render_preview(message, with_metadata=modern)
                self._outbox.put(frame, droppable=not message.is_result)
            case TextFrame():
                self._outbox.put(render_progress_text(message))

    # -- the browser

    async def _write_browser(self) -> None:
        while True:
            payload = await self._outbox.get()
            try:
                await (self._browser.send_str if isinstance(payload, str) else self._browser.send_bytes)(payload)  # type: ignore[arg-type]
            except (ConnectionError, RuntimeError):
                return  # the browser has left; the reader sees it too

    async def _read_browser(self) -> None:
        async for received in self._browser:
            if received.type is not aiohttp.WSMsgType.TEXT:
                continue
            text = received.data if self._first_message is not None else self._read_flags(received.data)
            if self._upstream is not None and not self._upstream.closed:
                with contextlib.suppress(aiohttp.ClientError, OSError):  # it has just gone
                    await self._upstream.send_str(text)

    def _read_flags(self, text: str) -> str:
        """The browser's first message, without the flags that we do not know."""
        announced = _flags_in(text)
        self._flags = flags_for_comfyui(announced)
        known = self._flags == announced
        self._first_message = text if known else render_text(Message("feature_flags", self._flags))
        return self._first_message

    # -- ComfyUI

    async def _follow_upstream(self) -> None:
        attempts = 0
        while True:
            await self._may_connect.wait()
            try:
                async with self._connection:
                    await self._use_connection()
                attempts = 0
            except (aiohttp.ClientError, TimeoutError, OSError):
                self._greet_without_comfyui()
                await asyncio.sleep(next_delay(attempts, base_s=0.3, cap_s=_RECONNECT_CAP_S))
                attempts += 1

    async def _use_connection(self) -> None:
        """One connection to ComfyUI, from its start to its end."""
        async with self._connect(self.sid) as self._upstream:
            if self._may_connect.is_set():
                with contextlib.suppress(aiohttp.ClientError, OSError):  # as if it had closed the connection
                    await self._relay(self._upstream)
        if self._may_connect.is_set():
            self._lose_upstream()

    def _greet_without_comfyui(self) -> None:
        """ComfyUI will not greet the page: it is down, or another socket has it. It will be asked to use our id."""
        if not self._greeted:
            self.sid = self.sid or self._new_sid()
            self._greet()

    def _greet(self) -> None:
        self._greeted = True
        status = {"exec_info": {"queue_remaining": self._count()}}
        self._enqueue(Message("status", {"status": status, "sid": self.sid}))
        self._on_greeted(self)

    async def _relay(self, upstream: aiohttp.ClientWebSocketResponse) -> None:
        if self._first_message is not None:
            await upstream.send_str(self._first_message)
        async for received in upstream:
            if received.type is aiohttp.WSMsgType.TEXT:
                self._relay_text(received.data)
            elif received.type is aiohttp.WSMsgType.BINARY:
                self._relay_frame(received.data)
        if upstream.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            logger.warning("%s: ComfyUI sent a message that is too large to be passed on: connecting again", self.sid)

    def _lose_upstream(self) -> None:
        self._upstream_count = 0
        self._on_lost()
        for message in self._live.end_local():
            self._enqueue(message)
        self.send_status()

    def _relay_text(self, text: str) -> None:
        message = _understood(text)
        if message is None:
            self._outbox.put(text)  # not ours to judge
            return
        match message:
            case Message(type="status"):
                self._relay_status(message)
                return
            case Message(type="feature_flags", data=flags):
                self._enqueue(Message(message.type, flags_for_page(flags)))
                return
        for shown in self._live.feed(message, local=True):
            if shown is message:
                self._outbox.put(text)
            else:
                self._enqueue(shown)

    def _relay_status(self, message: Message) -> None:
        data = message.data
        self._upstream_count = _remaining(data)
        if isinstance(data.get("sid"), str):
            self.sid = data["sid"]
            self._greet()
        else:
            self.send_status()

    def _relay_frame(self, frame: bytes) -> None:
        try:
            parsed = parse_binary(frame)
        except WireError:
            parsed = UnknownFrame(frame)
        if isinstance(parsed, UnknownFrame):
            self._outbox.put(frame, droppable=parsed.is_picture)
            return
        if self._live.feed(parsed, local=True):
            self._outbox.put(frame, droppable=isinstance(parsed, PreviewFrame) and not parsed.is_result)


def _understood(text: str) -> Message | CustomMessage | None:
    try:
        return parse_text(text) if len(text) <= _READ_MAX else None
    except WireError:
        return None


def _remaining(data: dict[str, object]) -> int:
    try:
        return int(data["status"]["exec_info"]["queue_remaining"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0


def _flags_in(text: str) -> dict[str, object]:
    try:
        message = plain_json.loads(text)
        return dict(message["data"]) if message["type"] == "feature_flags" else {}
    except (ValueError, KeyError, TypeError):
        return {}
