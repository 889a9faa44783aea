"""What the endpoint's nodes in ComfyUI's own list cost: /object_info merged, beside the same bytes passed through."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from bench.process import bare_mitmproxy
from bench.report import Limit, Row
from engine.catalog.catalogs import Catalogs
from engine.catalog.merge import merged_nodes
from proxy.addons.node_lists import NodeLists
from proxy.addons.streaming import Streaming
from tests.proxy.addons.conftest import running_front
from tests.support.served import served
from wire import plain_json
from wire.catalog import Catalog

_CLASSES, _REQUESTS = 1_500, 60
_MORE_MS = 20.0


async def merged() -> list[Row]:
    """Milliseconds of each request for all nodes, and of one for as many bytes that nobody looks at."""
    known = Catalogs(["bench"], lambda: 0)
    catalog = Catalog(nodes=_nodes("there"))
    known.received("bench", catalog, "bench")
    passed = plain_json.dumps(merged_nodes(_nodes("here"), catalog))
    async with (
        _comfyui(passed) as comfyui,
        running_front(comfyui, [Streaming(), NodeLists(known)]) as url,
        bare_mitmproxy(comfyui) as bare,
        aiohttp.ClientSession() as session,
    ):
        first, _ = await _timed(session, f"{url}/object_info")
        asked = (f"{url}/object_info", f"{url}/passed", f"{bare.url}/passed")
        rounds = [[(await _timed(session, one))[0] for one in asked] for _ in range(_REQUESTS)]
    ours, beside, bare_ms = map(list, zip(*rounds, strict=True))
    more = [mine - theirs for mine, theirs in zip(ours, beside, strict=True)]
    name = f"GET /object_info, {len(passed) / 1e6:.1f} MB"
    return [
        Row(f"{name}, merged", "ms", ours, {"passed through": beside, bare.name: bare_ms}),
        Row(f"{name}, more than passed through", "ms", more, {}, Limit(_MORE_MS)),
        Row(f"{name}, the first merge", "ms", [first]),
    ]


async def _timed(session: aiohttp.ClientSession, url: str) -> tuple[float, int]:
    began = time.perf_counter()
    async with session.get(url) as response:
        size = len(await response.read())
        response.raise_for_status()
    return (time.perf_counter() - began) * 1000, size


@asynccontextmanager
async def _comfyui(passed: str) -> AsyncIterator[str]:
    """Its own nodes at /object_info, and *passed* at a path of its own."""
    texts = {"/object_info": plain_json.dumps(_nodes("here")), "/passed": passed}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=texts[request.path], content_type="application/json")

    app = web.Application()
    app.router.add_get("/{name}", answer)
    async with served(app) as url:
        yield url


def _nodes(side: str) -> dict[str, Any]:
    """As many and as long as ComfyUI 0.33.0 has them with a few packs: half of them are on both sides."""
    names = [f"Node{number}" if number % 2 else f"Node{number} {side}" for number in range(_CLASSES)]
    return {name: _node(name) for name in names}


def _node(name: str) -> dict[str, Any]:
    samplers = [f"sampler_{number}" for number in range(40)]
    numbers = {f"value_{number}": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 9.0}] for number in range(10)}
    return {
        "input": {"required": {"image": ["IMAGE"], "sampler": [samplers, {"tooltip": "x" * 80}], **numbers}},
        "input_order": {"required": ["image", "sampler", *numbers]},
        "output": ["IMAGE"],
        "output_is_list": [False],
        "output_name": ["IMAGE"],
        "name": name,
        "display_name": name,
        "description": "What it does. " * 8,
        "python_module": "nodes",
        "category": "bench",
        "output_node": False,
    }
