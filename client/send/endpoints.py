"""The endpoint that a command talks to: RunPod's when it is set, else the sandbox's if that is running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from pydantic import SecretStr

from engine.errors import CannotStart
from engine.ports import wait_until_listening
from engine.runpod.endpoint import Endpoint
from engine.runpod.sandbox import SANDBOX_HOST, SANDBOX_ID, sandbox_url
from engine.settings import Settings

_SANDBOX_S = 0.3


@asynccontextmanager
async def opened_endpoints(settings: Settings) -> AsyncIterator[tuple[Endpoint, ...]]:
    """The endpoints while the block runs; raises CannotStart when there is none."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession() as session, aiohttp.ClientSession(connector=connector) as fresh:
        if settings.endpoint_ids:
            key = settings.runpod_api_key or SecretStr("")
            base = settings.runpod_endpoint_base_url
            yield tuple(Endpoint(base, endpoint_id, key, session, fresh) for endpoint_id in settings.endpoint_ids)
        elif await wait_until_listening(SANDBOX_HOST, settings.sandbox_port, _SANDBOX_S):
            yield (Endpoint(sandbox_url(settings.sandbox_port), SANDBOX_ID, SecretStr("sandbox"), session, fresh),)
        else:
            raise CannotStart(
                "RUNPOD_ENDPOINT_ID: not set, nor RUNPOD_API_KEY, and no sandbox endpoint runs; "
                "set both, or run 'make endpoint' in another terminal"
            )
