"""A proxy with a token, opened to the LAN by name: a person with the link works as always, a stranger gets nothing."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.support.browser import chromium, opened_context, opened_tab
from tests.support.prompts import inverted_image
from tests.support.stack import Stack, running_stack

TOKEN = "Zq3x-7Kp_0aT9.uVw"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The sandbox at both ends; its session shows the token."""
    async with running_stack(tmp_path_factory.mktemp("home"), PROXY_TOKEN=TOKEN, PROXY_HOSTS="box.lan") as running:
        yield running


@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium")
async def test_after_the_link_run_works_as_always(stack: Stack, browser: Browser) -> None:
    async with opened_context(browser) as context:
        await (await context.new_page()).goto(f"{stack.url}/?token={TOKEN}")
        frontend = await opened_tab(context, stack.url)
        await frontend.load_prompt(inverted_image(color=0x2060A0, prefix="token", size=64))
        await frontend.run()
        source = await frontend.image_on_node("3")

    assert "token_00001_.png" in source
    assert (stack.output / "token_00001_.png").exists()


async def test_a_script_with_the_token_works_under_the_name_in_the_lan(stack: Stack) -> None:
    port = stack.url.rpartition(":")[2]
    page = {"Host": f"box.lan:{port}", "Origin": f"http://box.lan:{port}"}
    status, answer = await stack.post("/prompt", {"prompt": inverted_image(prefix="lan", size=8)}, **page)
    assert status == 200, answer
    entry = await stack.history(answer["prompt_id"])

    assert entry["status"]["status_str"] == "success"
    assert (await stack.post("/queue", {"clear": True}, **page | {"Origin": "http://box.lan"}))[0] == 403


async def test_a_stranger_gets_nothing_and_no_log_has_the_token(stack: Stack) -> None:
    before = len((await stack.get("/runpod/api/jobs"))["jobs"])
    async with aiohttp.ClientSession() as stranger:
        statuses = [
            (await stranger.post(stack.url + "/prompt", json={"prompt": inverted_image()})).status,
            (await stranger.get(f"{stack.url}/?token=a-guess-of-a-stranger")).status,
            (await stranger.get(stack.url + "/runpod/api/jobs")).status,
        ]
    logs = [path.read_text(errors="replace") for path in stack.home.rglob("*.log")]

    assert statuses == [401, 401, 401]
    assert len((await stack.get("/runpod/api/jobs"))["jobs"]) == before
    assert len(logs) >= 3
    assert not [log for log in logs if TOKEN in log or "a-guess-of-a-stranger" in log]
