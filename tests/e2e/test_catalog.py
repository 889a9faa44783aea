"""What the endpoint has is known without paying for it, is kept, and is asked for only when a person wants that."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.support.prompts import inverted_image
from tests.support.stack import Stack, start_proxy
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def catalog(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = await stack.get("/runpod/api/catalog")
    return found


async def known(stack: Stack) -> dict[str, Any] | None:
    (endpoint,) = (await catalog(stack))["endpoints"]
    return endpoint if endpoint["known"] else None


async def known_after_a_job(stack: Stack) -> dict[str, Any]:
    """A job never waits for the catalog, so it may be the next one that brings it."""

    async def brought() -> dict[str, Any] | None:
        await stack.history(await stack.queue_prompt(inverted_image()), timeout_s=150)
        return await known(stack)

    found = await until(brought, timeout_s=170)
    assert found is not None
    return found


async def _known_again(stack: Stack) -> dict[str, Any] | None:
    try:
        return await known(stack)
    except OSError:  # it does not listen yet
        return None


def _jobs(stack: Stack) -> list[str]:
    """The runs that the log of the proxy tells of."""
    return [line for line in stack.log().splitlines() if " submitted as " in line or ": asked for by " in line]


async def test_asking_tells_its_price_first_and_then_sends_one_job(stack: Stack) -> None:
    await known_after_a_job(stack)
    before = len(_jobs(stack))
    _, dry = await stack.post("/runpod/api/catalog/refresh?dry=1", {})
    unspent = len(_jobs(stack))
    status, asked = await stack.post("/runpod/api/catalog/refresh", {})
    told = await until(lambda: _asked(stack), timeout_s=150)

    assert told is not None
    assert (dry["started"], dry["cost_usd"], unspent) == (False, 0.0, before)
    assert "which is an estimate" in dry["text"]
    assert (status, asked["started"]) == (200, True)
    assert told["problem"] == ""
    assert len(_jobs(stack)) == before + 1


async def _asked(stack: Stack) -> dict[str, Any] | None:
    found = await catalog(stack)
    return None if found["asking"] else found


async def test_the_jobs_page_shows_it_and_the_price_before_the_click(stack: Stack, browser: Browser) -> None:
    endpoint = await known_after_a_job(stack)
    page = await browser.new_page()
    await page.goto(f"{stack.url}/runpod/")

    await expect(page.locator("#has")).to_contain_text(f"ComfyUI {endpoint['comfyui']}", timeout=60_000)
    await expect(page.locator("#has")).to_contain_text(f"{endpoint['nodes']} classes", timeout=60_000)
    await expect(page.locator("#price")).to_contain_text("which is an estimate", timeout=60_000)
    await page.close()


async def test_a_page_of_another_site_cannot_ask(stack: Stack) -> None:
    before = len(_jobs(stack))
    evil = {"Origin": "http://evil.example"}
    answers = [(await stack.post(f"/runpod/api/{path}", {}, **evil))[0] for path in ("catalog/refresh", "models/send")]

    assert answers == [403, 403]
    assert len(_jobs(stack)) == before


async def test_a_job_brings_what_the_endpoint_has_and_a_restart_keeps_it(stack: Stack) -> None:
    before = await known_after_a_job(stack)
    await stack.kill()
    jobs = len(_jobs(stack))
    stack.environ |= {
        "RUNPOD_API_KEY": stack.endpoint_key,
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_ENDPOINT_BASE_URL": stack.endpoint_url,
    }
    stack.process = await start_proxy(stack.environ, stack.home)
    after = await until(lambda: _known_again(stack), timeout_s=120)

    assert after is not None
    assert before["source"] == "worker"
    assert before["comfyui"]
    assert before["nodes"] > 5
    assert (after["sha256"], after["nodes"]) == (before["sha256"], before["nodes"])
    assert len(_jobs(stack)) == jobs
