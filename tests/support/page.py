"""A browser's websocket, as far as the protocol goes: remembers everything that it was sent."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.support.until import until
from wire.comfy import PreviewFrame, ServerMessage, TextFrame, parse_binary, parse_text


@dataclass
class Page:
    socket: aiohttp.ClientWebSocketResponse
    heard_all: list[ServerMessage] = field(default_factory=list)
    """texts and frames in their order"""
    messages: list[dict[str, Any]] = field(default_factory=list)
    previews: list[PreviewFrame] = field(default_factory=list)
    sid: str = ""

    async def listen(self) -> None:
        async for received in self.socket:
            if received.type is aiohttp.WSMsgType.TEXT:
                self.heard_all.append(parse_text(received.data))
                self._hear(json.loads(received.data))
            elif received.type is aiohttp.WSMsgType.BINARY:
                self._see(received.data)

    def _hear(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self.sid = message["data"].get("sid", self.sid) if message["type"] == "status" else self.sid

    def _see(self, data: bytes) -> None:
        frame = parse_binary(data)
        self.heard_all.append(frame)
        if isinstance(frame, PreviewFrame):
            self.previews.append(frame)
        elif isinstance(frame, TextFrame):
            self.messages.append({"type": "text", "data": {"node": frame.node_id, "text": frame.text}})

    async def answered(self) -> bool:
        """Whether ComfyUI has taken our flags: without them pictures come the old way."""
        return any(message["type"] == "feature_flags" for message in self.messages)

    def of(self, prompt_id: str) -> list[dict[str, Any]]:
        """What was said of one prompt."""
        return [message for message in self.messages if message["data"].get("prompt_id") == prompt_id]

    def said(self, kind: str, prompt_id: str) -> list[dict[str, Any]]:
        return [message["data"] for message in self.of(prompt_id) if message["type"] == kind]

    async def heard(self, kind: str, prompt_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """The data of the first message of this kind for the prompt."""

        async def first() -> Any:
            return next(iter(self.said(kind, prompt_id)), None)

        found: dict[str, Any] = await until(first, timeout_s, lambda: str([m["type"] for m in self.messages]))
        return found

    async def heard_end(self, prompt_id: str, timeout_s: float = 60) -> None:
        async def ended() -> bool:
            return any(data["node"] is None for data in self.said("executing", prompt_id))

        await until(ended, timeout_s, lambda: str([m["type"] for m in self.messages]))

    async def heard_status(self, remaining: int, timeout_s: float = 60) -> None:
        """Until the last ``status`` says that *remaining* prompts wait or run."""

        async def told() -> bool:
            said = [message["data"] for message in self.messages if message["type"] == "status"]
            return said[-1]["status"]["exec_info"]["queue_remaining"] == remaining if said else False

        await until(told, timeout_s, lambda: str(self.messages[-3:]))


@asynccontextmanager
async def opened_page(
    session: aiohttp.ClientSession, url: str, sid: str | None = None, *, modern: bool = True
) -> AsyncIterator[Page]:
    """A page at *url* that has been greeted, with a modern frontend's flags, or with none as an old one."""
    query = f"?clientId={sid}" if sid else ""
    async with session.ws_connect(f"{url}/ws{query}", max_msg_size=0) as socket:
        page = Page(socket)
        listening = asyncio.create_task(page.listen())
        try:

            async def greeted() -> str:
                return page.sid

            await until(greeted, 10)
            if modern:
                await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
                await until(page.answered, 10)
            yield page
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
