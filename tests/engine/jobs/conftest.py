from collections.abc import AsyncIterator

import pytest

from engine.runpod.endpoint import Endpoint
from tests.support.runpod import RunPod, endpoint_of, pictures, serving


@pytest.fixture
async def runpod() -> AsyncIterator[RunPod]:
    """Makes two pictures for every prompt."""
    async with serving(RunPod(pictures())) as server:
        yield server


@pytest.fixture
async def endpoint(runpod: RunPod) -> AsyncIterator[Endpoint]:
    async with endpoint_of(runpod) as client:
        yield client
