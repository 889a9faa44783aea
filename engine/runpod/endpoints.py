"""The endpoints that a program talks to, RunPod's or the sandbox's, with the connections that they need."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import aiohttp
from pydantic import SecretStr

from engine.runpod.endpoint import Endpoint
from engine.runpod.sandbox import SANDBOX_ID
from engine.runpod.sandbox_key import sandbox_key
from engine.settings import Settings

Endpoints = AbstractAsyncContextManager[tuple[Endpoint, ...]]
"""open while the block runs"""


def runpod_endpoints(settings: Settings) -> Endpoints:
    """Those that RUNPOD_ENDPOINT_ID names; none when it is not set."""
    key = settings.runpod_api_key or SecretStr("")
    return _opened(settings.runpod_endpoint_base_url, settings.endpoint_ids, key, settings.job_max_s)


def sandbox_endpoints(url: str, settings: Settings) -> Endpoints:
    """The sandbox's; *url* is the address of its API."""
    return _opened(url, (SANDBOX_ID,), sandbox_key(settings.comfy_runpod_home), settings.job_max_s)


@asynccontextmanager
async def _opened(url: str, ids: Sequence[str], key: SecretStr, job_max_s: int) -> AsyncIterator[tuple[Endpoint, ...]]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession() as session, aiohttp.ClientSession(connector=connector) as fresh:
        yield tuple(Endpoint(url, endpoint_id, key, session, fresh, job_max_s) for endpoint_id in ids)
