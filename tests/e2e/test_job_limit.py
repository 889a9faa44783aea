"""JOB_MAX_S: the page hears of the limit before it strikes, and what has arrived by then is kept."""

from pathlib import Path
from typing import Any

from tests.support.page import Page, opened_page
from tests.support.prompts import inverted_image, slow_image
from tests.support.stack import running_stack
from tests.support.until import until


def with_a_picture_first() -> dict[str, Any]:
    """A prompt that saves a picture at once, and then works for a minute."""
    prompt = inverted_image(prefix="early")
    slow = slow_image(60, "late", color=5)
    return prompt | {str(int(node_id) + 10): shifted(node) for node_id, node in slow.items()}


def shifted(node: dict[str, Any]) -> dict[str, Any]:
    inputs = {name: [str(int(value[0]) + 10), value[1]] if isinstance(value, list) else value
              for name, value in node["inputs"].items()}  # fmt: skip
    return {**node, "inputs": inputs}


async def noticed(page: Page) -> str:
    async def told() -> str:
        notices = [message["data"] for message in page.messages if message["type"] == "runpod.notice"]
        return next((notice["detail"] for notice in notices if "JOB_MAX_S" in notice["detail"]), "")

    return await until(told)


async def test_a_job_is_stopped_at_its_limit_and_that_is_said_before(tmp_path: Path) -> None:
    async with running_stack(tmp_path, JOB_MAX_S="6") as stack, opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(with_a_picture_first(), client_id=page.sid)
        detail = await noticed(page)
        running = (await stack.job(prompt_id))["state"]
        await page.heard_end(prompt_id)
        job = await stack.job(prompt_id)
        saved = [path.name for path in stack.output.glob("early_*.png")]

    assert detail.startswith("JOB_MAX_S gives it 6 s")
    assert running == "running"
    assert (job["state"], "JOB_MAX_S" in job["error"]) == ("failed", True)
    assert saved == ["early_00001_.png"]
