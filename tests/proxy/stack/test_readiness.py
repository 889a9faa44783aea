from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from proxy.stack.readiness import wait_until_ready
from tests.support.ports import free_port
from tests.support.served import served


class Proxy:
    """Answers with one status after the other, the last one for ever."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses = [status()]
        self.token: str | None = None

    async def answer(self, request: web.Request) -> web.Response:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": {}}, status=401)
        return web.json_response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


def status(*, comfyui: bool = True, endpoint: bool = True) -> dict[str, Any]:
    return {
        "comfyui": {"url": "http://comfyui", "reachable": comfyui},
        "endpoint": {"id": "ep", "reachable": endpoint, "error": "Check RUNPOD_API_KEY."},
    }


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    app = web.Application()
    app.router.add_get("/runpod/api/status", proxy.answer)
    async with served(app) as url:
        proxy.url = url
        yield proxy


async def test_what_starts_late_is_waited_for(proxy: Proxy) -> None:
    proxy.statuses = [status(comfyui=False), status(endpoint=False), status()]

    assert await wait_until_ready(proxy.url, 30) is None


async def test_what_does_not_come_is_named(proxy: Proxy) -> None:
    proxy.statuses = [status(comfyui=False)]
    assert await wait_until_ready(proxy.url, 0.4) == "ComfyUI at http://comfyui does not answer"

    proxy.statuses = [status(endpoint=False)]
    assert await wait_until_ready(proxy.url, 0.4) == "the endpoint ep does not answer: Check RUNPOD_API_KEY."


async def test_a_proxy_with_a_token_is_asked_with_it(proxy: Proxy) -> None:
    proxy.token = "Zq3x-7Kp_0aT9.uVw"

    assert await wait_until_ready(proxy.url, 30, proxy.token) is None
    assert await wait_until_ready(proxy.url, 0.4) == "the proxy does not answer"


async def test_a_proxy_that_is_not_there_is_a_problem() -> None:
    assert "does not answer" in str(await wait_until_ready(f"http://127.0.0.1:{free_port()}", 0.3))
