"""A ComfyUI of which only the websocket is there, and which says what it is told to: ``python -m bench.source PORT``.

``GET /say?sid=…&kind=…&count=…&size=…&pause_ms=…`` sends messages to one socket and answers when all are written. Each
carries the time at which it was sent, of the clock that all processes of a machine share; then comes one of type
``said``. ``GET /body?size=…`` is an answer of that size.
"""

import asyncio
import json
import struct
import sys
import time

from aiohttp import web

from wire.comfy import Message, PreviewFrame, render_preview, render_text

SAID = "said"
_TIME = struct.Struct(">Q")
_FRAME_HEAD = 8


class Source:
    def __init__(self) -> None:
        self._sockets: dict[str, web.WebSocketResponse] = {}

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=0)
        await socket.prepare(request)
        sid = request.query["clientId"]
        self._sockets[sid] = socket
        await socket.send_str(render_text(Message("status", {"status": {"exec_info": {}}, "sid": sid})))
        async for _ in socket:
            pass
        return socket

    async def say(self, request: web.Request) -> web.Response:
        socket, kind = self._sockets[request.query["sid"]], request.query["kind"]
        count, size, pause_ms = (int(request.query[name]) for name in ("count", "size", "pause_ms"))
        padding = bytes(size)
        for number in range(count):
            if kind == "preview":
                await socket.send_bytes(preview(padding))
            else:
                await socket.send_str(progress(number, count))
            if pause_ms:
                await asyncio.sleep(pause_ms / 1000)
        await socket.send_str(render_text(Message(SAID, {})))
        return web.Response()


def preview(padding: bytes) -> bytes:
    return render_preview(
        PreviewFrame(image=_TIME.pack(time.monotonic_ns()) + padding, image_type="image/jpeg"), with_metadata=False
    )


def progress(value: int, maximum: int) -> str:
    about = {"value": value, "max": maximum, "prompt_id": "c0ffee", "node": "5", "sent_ns": time.monotonic_ns()}
    return render_text(Message("progress", about))


def sent_ns(payload: str | bytes) -> int | None:
    """When the source sent this message, on the clock of ``time.monotonic_ns``; None for another message."""
    if isinstance(payload, bytes):
        (sent,) = _TIME.unpack_from(payload, _FRAME_HEAD)
        return int(sent)
    found = json.loads(payload)["data"].get("sent_ns")
    return None if found is None else int(found)


async def stats(_: web.Request) -> web.Response:
    return web.json_response({"system": {"comfyui_version": "bench"}, "devices": []})


async def body(request: web.Request) -> web.Response:
    return web.Response(body=b" " * int(request.query["size"]), content_type="application/json")


def main(port: int) -> None:
    source = Source()
    app = web.Application()
    app.router.add_get("/ws", source.listen)
    app.router.add_get("/say", source.say)
    app.router.add_get("/system_stats", stats)
    app.router.add_get("/body", body)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
