"""What the server prints, kept for the page's console panel and sent to the pages that have it open.

Source: ComfyUI app/logger.py, api_server/services/terminal_service.py.
"""

from collections import deque
from datetime import datetime

from sandbox.comfyui.hub import Hub
from wire.comfy import Message

_KEPT = 300


class Console:
    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._listeners: set[str] = set()
        self.lines: deque[dict[str, str]] = deque(maxlen=_KEPT)

    async def say(self, text: str) -> None:
        print(text, flush=True)  # noqa: T201  as ComfyUI does
        line = {"t": datetime.now().isoformat(), "m": f"{text}\n"}
        self.lines.append(line)
        for client_id in sorted(self._listeners):
            await self._hub.send(Message("logs", {"entries": [line], "size": None}), client_id)

    def subscribe(self, client_id: str, *, enabled: bool) -> None:
        if enabled:
            self._listeners.add(client_id)
        else:
            self._listeners.discard(client_id)
