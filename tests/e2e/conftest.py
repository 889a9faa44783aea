"""The stack, the browser and the tab that the tests of a module share: each takes seconds to start."""

from collections.abc import AsyncIterator, Generator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browser import opened_context, opened_tab, running_browser
from tests.support.frontend import Frontend
from tests.support.page_scripts import ScriptBed, script_bed
from tests.support.stack import Stack
from tests.support.stacks import KINDS, stack_of
from tests.support.storage_bed import StorageBed, storage_bed

FAILED = pytest.StashKey[bool]()
"""set on a test whose body has failed, for fixtures that then keep a picture of the page"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One stack for the tests of a module; ComfyUI at both ends is the sandbox's or the real one."""
    async with stack_of(request.param, tmp_path_factory) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["bucket", "volume"])
async def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StorageBed]:
    """One stack for the tests of a module, with a storage that both ends reach."""
    async with storage_bed(request.param, tmp_path_factory) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened_bed(browser: Browser) -> AsyncIterator[ScriptBed]:
    async with script_bed(browser) as bed:
        yield bed


@pytest_asyncio.fixture(loop_scope="module")
async def scripts(opened_bed: ScriptBed) -> ScriptBed:
    """The page of our scripts that the tests of a module use one after the other, anew for each."""
    await opened_bed.tidy()
    return opened_bed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page_of_stack(stack: Stack, browser: Browser) -> AsyncIterator[Frontend]:
    async with opened_context(browser) as context:
        yield await opened_tab(context, stack.url)


@pytest_asyncio.fixture(loop_scope="module")
async def frontend(page_of_stack: Frontend) -> Frontend:
    """The tab that the tests of a module use one after the other, as a person would."""
    await page_of_stack.close_panels()
    return page_of_stack


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = report.failed
    return report
