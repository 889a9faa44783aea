"""ComfyUI's messages on their way through the proxy: latency, CPU time, and memory after many previews."""

import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.process import Target, bare_mitmproxy, cpu_s, memory_mb, running
from bench.report import Limit, Row, percentile
from bench.source import SAID, sent_ns
from tests.support.stack import running_stack

_ROUNDS, _MESSAGES, _PAUSE_MS = 9, 300, 1
_PREVIEW = 20_000
_PREVIEWS, _BURST = 100_000, 10_000
_SIZES = {"progress": 0, "preview": _PREVIEW}


@dataclass
class Listener:
    """A browser's socket at *target*, to which the source at *source_url* speaks."""

    target: Target
    source_url: str
    session: aiohttp.ClientSession
    socket: aiohttp.ClientWebSocketResponse
    sid: str
    latency: list[float] = field(default_factory=list)
    slowest: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    async def say(self, kind: str, count: int, pause_ms: int = 0) -> None:
        """Has the source speak; returns when everything is written."""
        query = {
            "sid": self.sid,
            "kind": kind,
            "count": str(count),
            "size": str(_SIZES[kind]),
            "pause_ms": str(pause_ms),
        }
        async with self.session.get(f"{self.source_url}/say", params=query) as response:
            response.raise_for_status()

    async def hear(self) -> list[float]:
        """The latency of each message up to the last of what was said, in milliseconds."""
        heard: list[float] = []
        async for received in self.socket:
            now = time.monotonic_ns()
            if received.type is aiohttp.WSMsgType.TEXT and received.json()["type"] == SAID:
                return heard
            if (sent := sent_ns(received.data)) is not None:
                heard.append((now - sent) / 1e6)
        raise ConnectionError(f"{self.target.name} closed the socket")

    async def round(self, kind: str) -> None:
        cpu_before = cpu_s(self.target.pid) if self.target.pid else 0.0
        _, heard = await asyncio.gather(self.say(kind, _MESSAGES, _PAUSE_MS), self.hear())
        cpu_after = cpu_s(self.target.pid) if self.target.pid else 0.0
        self.latency.append(statistics.median(heard))
        self.slowest.append(percentile(heard, 99))
        self.cpu.append((cpu_after - cpu_before) * 1000 / len(heard))


async def relayed() -> list[Row]:
    """Latency and CPU time of a message, in rounds that ask the proxy, a bare mitmproxy and no proxy in turn."""
    rows: list[Row] = []
    async with _source_and_proxy() as (source, proxy), bare_mitmproxy(source.url) as bare:
        targets = (proxy, bare, Target("direct", source.url))
        for kind, size in _SIZES.items():
            async with AsyncExitStack() as exits:
                listeners = [await exits.enter_async_context(_listener(target, source.url)) for target in targets]
                for turn in range(_ROUNDS):
                    for listener in listeners[turn % 3 :] + listeners[: turn % 3]:
                        await listener.round(kind)
            rows += _rows(f"{kind} of {size // 1000} kB" if size else kind, listeners)
    return rows


def _rows(name: str, listeners: Sequence[Listener]) -> list[Row]:
    ours, bare, direct = listeners
    return [
        Row(
            *(f"websocket, {name}: latency", "ms", ours.latency),
            {bare.target.name: bare.latency, direct.target.name: direct.latency},
            Limit(1.5, bare.target.name),
        ),
        Row(
            *(f"websocket, {name}: latency, p99", "ms", ours.slowest),
            {bare.target.name: bare.slowest, direct.target.name: direct.slowest},
            Limit(2, bare.target.name),
        ),
        Row(
            *(f"websocket, {name}: CPU of the proxy", "ms", ours.cpu),
            {bare.target.name: bare.cpu},
            Limit(1.5, bare.target.name),
        ),
    ]


async def memory() -> list[Row]:
    """How much the proxy's memory grows by 100,000 previews, for a page that reads and for one that does not."""
    async with _source_and_proxy() as (source, proxy), _listener(proxy, source.url) as listener:
        await asyncio.gather(listener.say("preview", _BURST), listener.hear())
        before = _resident_mb(proxy)
        heard = 0
        while heard < _PREVIEWS:  # at this speed most are dropped on the way
            _, burst = await asyncio.gather(listener.say("preview", _BURST), listener.hear())
            heard += len(burst)
        read = _resident_mb(proxy) - before
        await listener.say("preview", _BURST)
        await listener.hear()
        before = _resident_mb(proxy)
        await listener.say("preview", _PREVIEWS)
        unread = _resident_mb(proxy) - before
        await listener.hear()  # the page wakes up, and what was not droppable is there
    name = f"memory after {_PREVIEWS:,} previews"
    return [
        Row(f"{name}, growth", "MB", [read], limit=Limit(10)),
        Row(f"{name} that nobody reads, growth", "MB", [unread], limit=Limit(10)),
    ]


def _resident_mb(target: Target) -> float:
    if target.pid is None:
        raise LookupError(f"{target.name} is no process of ours")
    return memory_mb(target.pid, "VmRSS")


@asynccontextmanager
async def _source_and_proxy() -> AsyncIterator[tuple[Target, Target]]:
    async with running("source", "bench.source") as source:
        with tempfile.TemporaryDirectory(prefix="comfy-runpod-bench-") as home:
            async with running_stack(Path(home), COMFYUI_URL=source.url) as stack:
                yield source, Target("proxy", stack.url, stack.process.pid)


@asynccontextmanager
async def _listener(target: Target, source_url: str) -> AsyncIterator[Listener]:
    sid = uuid.uuid4().hex
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        url = f"{target.url}/ws?clientId={sid}"
        async with session.ws_connect(url, max_msg_size=0, headers={"Origin": target.url}) as socket:
            await socket.receive()  # the first status: the source knows the socket
            yield Listener(target, source_url, session, socket, sid)
