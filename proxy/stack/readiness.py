"""Whether a proxy that has just been started can be used: it listens, its ComfyUI and its endpoint answer."""

import asyncio
import contextlib
from typing import Any

import aiohttp

_POLL_S = 0.25
_ASK = aiohttp.ClientTimeout(total=15)


async def wait_until_ready(url: str, timeout_s: float, token: str | None = None) -> str | None:
    """What is still missing at the proxy *url* after *timeout_s*, in a sentence; None as soon as everything answers.

    *token* is the one that the proxy asks for.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    missing: str | None = f"the proxy at {url} does not answer"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s), aiohttp.ClientSession(timeout=_ASK, headers=headers) as session:
            while True:
                missing = _missing(await _status(session, url))
                if missing is None:
                    return None
                await asyncio.sleep(_POLL_S)
    return missing


async def _status(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    try:
        async with session.get(f"{url}/runpod/api/status") as response:
            body: dict[str, Any] = await response.json()
            return body if response.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {}


def _missing(status: dict[str, Any]) -> str | None:
    if not status:
        return "the proxy does not answer"
    comfyui, endpoint = status["comfyui"], status["endpoint"]
    if not comfyui["reachable"]:
        return f"ComfyUI at {comfyui['url']} does not answer"
    if not endpoint["reachable"]:
        return f"the endpoint {endpoint['id']} does not answer: {endpoint.get('error', 'no reason given')}"
    return None
