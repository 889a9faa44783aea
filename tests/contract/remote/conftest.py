"""Both sides of a stack: its local ComfyUI, and the proxy in front of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.contract.remote.cases import CASES, Case
from tests.contract.remote.recording import Recording, Side, recorded
from tests.support.stack import Stack
from tests.support.stacks import KINDS, stack_of


@dataclass
class Sides:
    local: Side
    remote: Side
    kind: str


@dataclass
class Both:
    """The recordings of a case."""

    case: Case
    local: Recording
    remote: Recording


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=KINDS)
async def sides(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sides]:
    async with stack_of(request.param, tmp_path_factory) as stack:
        jobs = await _has_jobs(stack)
        local = Side("local", stack.comfyui_url, "sideA", stack.session, jobs)
        remote = Side("remote", stack.url, "sideB", stack.session, jobs)
        yield Sides(local, remote, stack.kind)


async def _has_jobs(stack: Stack) -> bool:
    async with stack.session.get(stack.comfyui_url + "/api/jobs") as response:
        return response.status == 200


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=CASES, ids=lambda case: case.name)
async def both(request: pytest.FixtureRequest, sides: Sides) -> Both:
    """Recorded one after the other: they share the local ComfyUI and the machine."""
    case: Case = request.param
    local = await recorded(sides.local, case)
    return Both(case, local, await recorded(sides.remote, case))
