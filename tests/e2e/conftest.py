"""The stack that the tests of a module share."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.stack import Stack
from tests.support.stacks import KINDS, stack_of


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One stack for the tests of a module; ComfyUI at both ends is the sandbox's or the real one."""
    async with stack_of(request.param, tmp_path_factory) as running:
        yield running
