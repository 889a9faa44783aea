"""The stack that the tests of a module share."""

from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio

from tests.support.stack import Stack
from tests.support.stacks import KINDS, stack_of

FAILED = pytest.StashKey[bool]()
"""set on a test whose body has failed, for fixtures that then keep a picture of the page"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One stack for the tests of a module; ComfyUI at both ends is the sandbox's or the real one."""
    async with stack_of(request.param, tmp_path_factory) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = report.failed
    return report
