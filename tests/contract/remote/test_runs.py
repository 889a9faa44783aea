"""A prompt that ran on the endpoint looks as if it had run locally: message by message, and in every body."""

import difflib
import json
from typing import Any

import pytest

from tests.contract.remote.cases import Case
from tests.contract.remote.conftest import Both
from tests.contract.remote.differences import (
    ANSWERS,
    HISTORY,
    JOBS,
    KEPT_FOR_NOBODY,
    OLDER_JOBS,
    STORY,
    Difference,
    agreed,
    counts_previews,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


def require_equal(local: list[Any], remote: list[Any]) -> None:
    """Fails with the lines in which they differ."""
    one, other = (json.dumps(items, sort_keys=True, indent=1).splitlines() for items in (local, remote))
    unlike = "\n".join(difflib.unified_diff(one, other, "local", "remote", lineterm=""))
    if unlike:
        pytest.fail(unlike, pytrace=False)


def kept(case: Case) -> tuple[Difference, ...]:
    return KEPT_FOR_NOBODY if case.client == "nobody" and len(case.posts) > 1 else ()


async def test_the_page_is_told_the_same(both: Both) -> None:
    require_equal(*agreed(STORY, both.local.story, both.remote.story))


async def test_the_answers_are_the_same(both: Both) -> None:
    require_equal(*agreed(ANSWERS, both.local.answers, both.remote.answers))


async def test_the_history_is_the_same(both: Both) -> None:
    require_equal(*agreed((*HISTORY, *kept(both.case)), both.local.histories, both.remote.histories))


async def test_the_jobs_are_the_same(both: Both) -> None:
    older = () if counts_previews(both.local.jobs) else OLDER_JOBS
    differences = (*JOBS, *older, *kept(both.case))

    require_equal(*agreed(differences, both.local.jobs, both.remote.jobs))
    require_equal(*agreed(differences, both.local.listed, both.remote.listed))
