"""A node that calls a paid service, through the whole product: it gets the account's token, and nobody else does."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.stack import Stack
from tests.support.stacks import KINDS, stack_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
TOKEN = "the-token-of-the-account-of-a-person"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS)
async def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with stack_of(request.param, tmp_path_factory, COMFY_ORG_TOKENS="1") as running:
        yield running


def partner(message: str = "") -> dict[str, Any]:
    return {"1": {"class_type": "SandboxPartner", "inputs": {"message": message}}}


def written(folder: Path) -> list[str]:
    """The files that hold the token, logs and job database included."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.relative_to(folder).as_posix() for path in files if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize("name", ["auth_token_comfy_org", "api_key_comfy_org"])
async def test_a_partner_node_runs_with_the_token_of_the_page(stack: Stack, name: str) -> None:
    prompt_id = await stack.queue_prompt(partner(), extra_data={name: TOKEN, "comfy_usage_source": name})
    entry = await stack.history(prompt_id)
    lists = [await stack.get(path) for path in ("/history", "/queue", "/api/jobs", f"/api/jobs/{prompt_id}")]

    assert entry["outputs"]["1"]["text"][-1] == "signed in"
    assert TOKEN not in str(lists)
    assert written(stack.home) == []


async def test_what_a_failed_partner_node_was_given_is_not_shown(stack: Stack) -> None:
    prompt_id = await stack.queue_prompt(partner("out of credits"), extra_data={"api_key_comfy_org": TOKEN})
    entry = await stack.history(prompt_id)
    kind, error = entry["status"]["messages"][-1]

    assert kind == "execution_error"
    assert error["exception_message"].startswith("out of credits")
    assert error["current_inputs"]["api_key"] == ["[secret]"]
    assert written(stack.home) == []


async def test_a_page_that_is_signed_out_is_told_so_before_anything_is_paid(stack: Stack) -> None:
    status, body = await stack.post("/api/prompt", {"prompt": partner()})

    assert status == 400
    assert "Sign in" in body["node_errors"]["1"]["errors"][0]["details"]
