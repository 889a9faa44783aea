"""The attacks go through the embedded front: an upstream that counts what reaches it, and a client.

Those of pages come from a real browser, to the ``border`` of their module.
"""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.proxy.addons.conftest import session, upstream
from tests.support.border import Border
from tests.support.browser import running_browser

__all__ = ["session", "upstream"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(border: Border) -> AsyncIterator[Browser]:
    async with running_browser(*border.flags()) as running:
        yield running
