"""One browser's websocket, bridged to one websocket of ComfyUI."""

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
from aiohttp import web

from engine.model.backoff import next_delay
from proxy.websocket.feature_flags import announced, understood
from proxy.websocket.live_prompt import Live, LivePrompt, Snapshot
from wire.comfy import (
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

logger = logging.getLogger(__name__)

_PREVIEWS_KEPT = 16
"""messages that may wait for a slow browser before previews are dropped"""
_BACKLOG_MAX = 32_000_000
"""characters and bytes that may wait at all: a page that reads nothing for hours, such as one of a sleeping laptop, is
let go; when it wakes up it connects again and is shown what there is"""
_RECONNECT_CAP_S = 2.0
_HANDOVER_S = 5.0


class BrowserOutbox:
    """What waits to be written to one browser. When it is slow previews are dropped, nothing else."""

    def __init__(self) -> None:
        self._waiting: deque[str | bytes] = deque()
        self._filled = asyncio.Event()
        self._size = 0
        self.overfull = asyncio.Event()
        """set when too much waits; it takes nothing more"""

    def put(self, payload: str | bytes, *, droppable: bool = False) -> None:
        if self.overfull.is_set() or (droppable and len(self._waiting) >= _PREVIEWS_KEPT):
            return
        self._waiting.append(payload)
        self._size += len(payload)
        self._filled.set()
        if self._size > _BACKLOG_MAX:
            self.overfull.set()

    async def get(self) -> str | bytes:
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        payload = self._waiting.popleft()
        self._size -= len(payload)
        return payload


class BrowserSocket:
    """The bridge. *tell* and its kin may be called at any time and never wait."""

    def __init__(
        self,
        *,
        browser: web.WebSocketResponse,
        upstream: Callable[[str | None], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]],
        sid: str | None,
        new_sid: Callable[[], str],
        remote_count: Callable[[], int],
        upstream_restarted: Callable[[], None],
        introduced: Callable[["BrowserSocket"], None],
    ) -> None:
        self.sid = sid
        self._browser = browser
        self._connect = upstream
        self._new_sid = new_sid
        self._remote_count = remote_count
        self._upstream_restarted = upstream_restarted
        self._introduced = introduced
        self._outbox = BrowserOutbox()
        self._stage = LivePrompt()
        self._upstream: aiohttp.ClientWebSocketResponse | None = None
        self._upstream_count = 0
        self._hello: str | None = None
        """the browser's first message: its feature flags, repeated to a restarted ComfyUI"""
        self._flags: dict[str, object] = {}
        self._greeted = False
        self._turn = asyncio.Event()
        self._turn.set()
        self._line = asyncio.Lock()
        """held while there is a connection to ComfyUI"""

    async def run(self) -> bool:
        """Bridge until the browser leaves; False when it was let go, for it reads nothing."""
        reader = asyncio.create_task(self._read_browser())
        helpers = [asyncio.create_task(work) for work in (self._write(), self._follow_upstream())]
        overfull = asyncio.create_task(self._outbox.overfull.wait())
        try:
            await asyncio.wait({reader, overfull}, return_when=asyncio.FIRST_COMPLETED)
            return not overfull.done()
        finally:
            for task in (reader, overfull, *helpers):
                task.cancel()
            await asyncio.gather(reader, overfull, *helpers, return_exceptions=True)
            if self._upstream is not None:
                await self._upstream.close()

    async def close(self) -> None:
        await self._browser.close(code=aiohttp.WSCloseCode.GOING_AWAY)

    async def yield_upstream(self) -> None:
        """Leave ComfyUI to a newer socket with the same client id: it forgets an id when one of two closes."""
        self._turn.clear()
        if self._upstream is not None:
            await self._upstream.close()
        try:
            async with asyncio.timeout(_HANDOVER_S), self._line:
                logger.info("%s is taken over by a newer socket", self.sid)
        except TimeoutError:
            logger.warning("%s: its connection to ComfyUI does not close", self.sid)

    def resume_upstream(self) -> None:
        """The newer socket has left."""
        self._turn.set()

    # -- ours

    def tell(self, message: Live) -> None:
        """A message of a remote prompt, or of no prompt."""
        for shown in self._stage.feed(message, local=False):
            self._send(shown)

    def tell_status(self) -> None:
        if self._greeted:
            self._send(Message("status", {"status": {"exec_info": {"queue_remaining": self._count()}}}))

    def join(self, prompt_id: str, snapshot: Snapshot) -> None:
        """Show a remote prompt that already runs."""
        for shown in self._stage.join(prompt_id, snapshot):
            self._send(shown)

    def _count(self) -> int:
        return self._upstream_count + self._remote_count()

    def _send(self, message: Live) -> None:
        match message:
            case Message():
                self._outbox.put(render_text(message))
            case PreviewFrame():
                modern = bool(self._flags.get("supports_preview_metadata")) and message.node_id is not None
                frame = render_preview(message, with_metadata=modern)
                self._outbox.put(frame, droppable=not message.is_result)
            case TextFrame():
                self._outbox.put(render_progress_text(message))

    # -- the browser

    async def _write(self) -> None:
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
            text = self._introduction(received.data) if self._hello is None else received.data
            if self._upstream is not None and not self._upstream.closed:
                with contextlib.suppress(aiohttp.ClientError, OSError):  # it has just gone
                    await self._upstream.send_str(text)

    def _introduction(self, text: str) -> str:
        """The browser's first message, with the flags that we understand as well."""
        told = _flags_of(text)
        self._flags = understood(told)
        self._hello = text if self._flags == told else render_text(Message("feature_flags", self._flags))
        return self._hello

    # -- ComfyUI

    async def _follow_upstream(self) -> None:
        attempts = 0
        while True:
            await self._turn.wait()
            try:
                async with self._line:
                    await self._speak_with_comfyui()
                attempts = 0
            except (aiohttp.ClientError, TimeoutError, OSError):
                self._greet_alone()
                await asyncio.sleep(next_delay(attempts, 0.0, base_s=0.3, cap_s=_RECONNECT_CAP_S))
                attempts += 1

    async def _speak_with_comfyui(self) -> None:
        """One connection, from its start to its end."""
        async with self._connect(self.sid) as self._upstream:
            if self._turn.is_set():
                with contextlib.suppress(aiohttp.ClientError, OSError):  # it has just gone: as if it had said so
                    await self._relay(self._upstream)
        if self._turn.is_set():
            self._lost_upstream()

    def _greet_alone(self) -> None:
        """ComfyUI is down: the page gets its id from us, and ComfyUI will be asked to use it."""
        if not self._greeted:
            self.sid = self.sid or self._new_sid()
            self._greet()

    def _greet(self) -> None:
        self._greeted = True
        status = {"exec_info": {"queue_remaining": self._count()}}
        self._send(Message("status", {"status": status, "sid": self.sid}))
        self._introduced(self)

    async def _relay(self, upstream: aiohttp.ClientWebSocketResponse) -> None:
        if self._hello is not None:
            await upstream.send_str(self._hello)
        async for received in upstream:
            if received.type is aiohttp.WSMsgType.TEXT:
                self._from_upstream(received.data)
            elif received.type is aiohttp.WSMsgType.BINARY:
                self._frame_from_upstream(received.data)

    def _lost_upstream(self) -> None:
        logger.info("ComfyUI closed the websocket of %s", self.sid)
        self._upstream_count = 0
        self._upstream_restarted()
        for message in self._stage.lose_local():
            self._send(message)
        self.tell_status()

    def _from_upstream(self, text: str) -> None:
        try:
            message = parse_text(text)
        except WireError:
            self._outbox.put(text)  # not ours to judge
            return
        if message.type == "status":
            self._status_from_upstream(message)
            return
        if message.type == "feature_flags":
            self._send(Message(message.type, announced(message.data)))
            return
        for shown in self._stage.feed(message, local=True):
            if shown is message:
                self._outbox.put(text)
            else:
                self._send(shown)

    def _status_from_upstream(self, message: Message) -> None:
        data = message.data
        self._upstream_count = _remaining(data)
        if isinstance(data.get("sid"), str):
            self.sid = data["sid"]
            self._greet()
        else:
            self.tell_status()

    def _frame_from_upstream(self, frame: bytes) -> None:
        try:
            parsed = parse_binary(frame)
        except WireError:
            parsed = UnknownFrame(0)
        if isinstance(parsed, UnknownFrame):
            self._outbox.put(frame)
            return
        if self._stage.feed(parsed, local=True):
            self._outbox.put(frame, droppable=isinstance(parsed, PreviewFrame) and not parsed.is_result)


def _remaining(data: dict[str, object]) -> int:
    try:
        return int(data["status"]["exec_info"]["queue_remaining"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return 0


def _flags_of(text: str) -> dict[str, object]:
    try:
        message = json.loads(text)
        return dict(message["data"]) if message["type"] == "feature_flags" else {}
    except (ValueError, KeyError, TypeError):
        return {}
