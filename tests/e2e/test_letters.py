"""A node that waits for a person: the page's answer reaches it at RunPod, or the page says that it cannot."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.page import Page, opened_page
from tests.support.stack import Stack, running_stack, start_proxy
from tests.support.storage_bed import StorageBed
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASK = {"7": {"class_type": "SandboxAsk", "inputs": {"question": "which?"}, "_meta": {"title": "Choose one"}}}


async def asked(page: Page) -> dict[str, Any]:
    """The question of the node, as the page hears it."""

    async def question() -> dict[str, Any]:
        return next((message["data"] for message in page.messages if message["type"] == "sandbox-ask"), {})

    return await until(question)


async def answered(stack: Stack, page: Page, prompt_id: str, answer: str) -> list[str]:
    """What the node makes of the page's *answer*."""
    question = await asked(page)
    page.messages.clear()
    status, body = await stack.post("/api/sandbox/answer", {"node": question["node"], "answer": answer})
    assert (status, body) == (200, {})
    text: list[str] = (await stack.history(prompt_id))["outputs"]["7"]["text"]
    return text


async def test_the_pages_answer_reaches_the_node_that_waits_at_runpod(bed: StorageBed) -> None:
    async with opened_page(bed.stack.session, bed.stack.url) as page:
        for answer in ("the first – ½", "the second"):  # one question must not be answered by the last one's answer
            prompt_id = await bed.stack.queue_prompt(ASK, client_id=page.sid)

            assert await answered(bed.stack, page, prompt_id, answer) == [answer]

    async def no_box_is_left() -> bool:
        return bed.storage.sizes("comfy-runpod/letters/") == {}

    await until(no_box_is_left)


async def test_after_a_restart_of_the_proxy_the_answer_still_arrives(bed: StorageBed) -> None:
    stack = bed.stack
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(ASK, client_id=page.sid)
        node = (await asked(page))["node"]
    await stack.kill()
    stack.process = await start_proxy(stack.environ, stack.home)

    async def arrives() -> list[str]:
        """The new proxy needs a moment to know of the job: a person would press the button again."""
        try:
            await stack.post("/sandbox/answer", {"node": node, "answer": "still here"})
            entry = (await stack.get(f"/history/{prompt_id}")).get(prompt_id, {})
        except aiohttp.ClientError:
            return []
        await asyncio.sleep(0.5)
        text: list[str] = entry.get("outputs", {}).get("7", {}).get("text", [])
        return text

    assert await until(arrives, 60) == ["still here"]


async def test_without_volume_and_bucket_the_page_says_within_a_minute_that_the_answer_cannot_arrive(
    tmp_path: Path,
) -> None:
    async with running_stack(tmp_path) as stack, opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(ASK, client_id=page.sid)
        await asked(page)

        async def warned() -> dict[str, Any]:
            notices = [message["data"] for message in page.messages if message["type"] == "runpod.notice"]
            return next((notice for notice in notices if "waits for an answer" in notice["summary"]), {})

        notice = await until(warned, 60)
        await stack.post("/api/interrupt", {"prompt_id": prompt_id})
        await page.heard_end(prompt_id)

    assert notice["summary"] == "Choose one #7 waits for an answer"
    assert "press Cancel" in notice["detail"] or "Press Cancel" in notice["detail"]
    assert "s of a worker are billed" in notice["detail"]
