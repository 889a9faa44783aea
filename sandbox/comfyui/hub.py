"""The open websockets, by client id.

Source: ComfyUI server.py ``websocket_handler``, ``send_sync``.
"""

import uuid
from typing import Any

import aiohttp
from aiohttp import web

from sandbox.comfyui.story import Said
from wire.comfy import (
    CustomMessage,
    Message,
    TextFrame,
    UnknownFrame,
    parse_text,
    render_preview,
    render_progress_text,
    render_text,
)
from wire.errors import WireError

FEATURES: dict[str, Any] = {
    "supports_preview_metadata": True,
    "supports_model_type_tags": True,
    "max_upload_size": 104857600,
    "node_replacements": True,
    "assets": False,
}
"""Source: ComfyUI 0.33.0, comfy_api/feature_flags.py"""


class Hub:
    def __init__(self, features: dict[str, Any]) -> None:
        self._features = features
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._flags: dict[str, dict[str, Any]] = {}
        self.remaining = 0
        self.running: tuple[str, str] | None = None
        """client id and node of what runs now"""

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        sid = request.query.get("clientId") or uuid.uuid4().hex
        self._sockets[sid] = socket
        self._flags[sid] = {}
        try:
            await socket.send_str(render_text(self._status(sid=sid)))
            if self.running is not None and self.running[0] == sid:
                await socket.send_str(render_text(Message("executing", {"node": self.running[1]})))
            await self._listen(socket, sid)
        finally:
            self._sockets.pop(sid, None)  # also when a second socket has taken the id over, as in ComfyUI
            self._flags.pop(sid, None)
        return socket

    async def _listen(self, socket: web.WebSocketResponse, sid: str) -> None:
        first = True
        async for received in socket:
            if received.type is not aiohttp.WSMsgType.TEXT or not first:
                continue
            first = False
            try:
                message = parse_text(received.data)
            except WireError:
                continue
            if isinstance(message, Message) and message.type == "feature_flags":
                self._flags[sid] = message.data
                await socket.send_str(render_text(Message("feature_flags", self._features)))

    def _status(self, **more: Any) -> Message:
        return Message("status", {"status": {"exec_info": {"queue_remaining": self.remaining}}, **more})

    async def status(self, remaining: int) -> None:
        self.remaining = remaining
        await self.send(self._status(), None)

    async def send(self, message: Said, client_id: str | None) -> None:
        """To one client, or to all when *client_id* is None: then pictures go out the old way (main.py)."""
        for sid, socket in list(self._sockets.items()):
            if client_id not in (None, sid) or socket.closed:
                continue
            try:
                if isinstance(message, Message | CustomMessage):
                    await socket.send_str(render_text(message))
                elif isinstance(message, UnknownFrame):
                    await socket.send_bytes(message.frame)
                elif isinstance(message, TextFrame):
                    await socket.send_bytes(render_progress_text(message))
                else:
                    await socket.send_bytes(render_preview(message, with_metadata=self.wants_metadata(client_id)))
            except (ConnectionError, RuntimeError):
                continue  # it has just left

    def wants_metadata(self, client_id: str | None) -> bool:
        """Whether that client announced that it reads frame 4."""
        return bool(self._flags.get(client_id or "", {}).get("supports_preview_metadata"))
