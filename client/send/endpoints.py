"""The endpoint that a command talks to: RunPod's when it is set, else the sandbox's if that is running."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engine.errors import CannotStart
from engine.ports import wait_until_listening
from engine.runpod.endpoint import Endpoint
from engine.runpod.endpoints import runpod_endpoints, sandbox_endpoints
from engine.runpod.sandbox import SANDBOX_HOST, sandbox_url
from engine.settings import Settings

_SANDBOX_S = 0.3


@asynccontextmanager
async def opened_endpoints(settings: Settings) -> AsyncIterator[tuple[Endpoint, ...]]:
    """The endpoints while the block runs; raises CannotStart when there is none."""
    if settings.endpoint_ids:
        chosen = runpod_endpoints(settings)
    elif await wait_until_listening(SANDBOX_HOST, settings.sandbox_port, _SANDBOX_S):
        chosen = sandbox_endpoints(sandbox_url(settings.sandbox_port), settings)
    else:
        raise CannotStart(
            "RUNPOD_ENDPOINT_ID and RUNPOD_API_KEY are not set, and no sandbox endpoint is running; "
            "set both, or run 'make endpoint' in another terminal"
        )
    async with chosen as endpoints:
        yield endpoints
