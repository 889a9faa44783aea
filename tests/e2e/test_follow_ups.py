"""Prompts that a node queues by itself, and prompts that a node changes: the whole way, to the page and the history."""

import json
from typing import Any

import pytest

from tests.support.page import Page, opened_page
from tests.support.stack import Stack
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def queues_again(left: int, color: int) -> dict[str, Any]:
    size = {"width": 16, "height": 16, "batch_size": 1, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": size},
        "2": {"class_type": "SandboxQueueAgain", "inputs": {"image": ["1", 0], "left": left}},
    }


def shown(page: Page, prompt_id: str) -> list[str]:
    """The files of the node, in the order in which the page learned of them."""
    outputs = [data["output"] for data in page.said("executed", prompt_id)]
    return [item["filename"] for output in outputs for item in output["images"]]


async def test_the_prompts_that_a_node_queues_are_one_job(stack: Stack) -> None:
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(queues_again(2, 1), client_id=page.sid)
        await page.heard_end(prompt_id)
        await page.heard_status(0)
    entry = await stack.history(prompt_id)
    files = [item["filename"] for item in entry["outputs"]["2"]["images"]]
    told = [message["data"]["prompt_id"] for message in page.messages if "prompt_id" in message["data"]]

    assert len(set(files)) == 3
    assert files == shown(page, prompt_id)
    assert all((stack.output / name).exists() for name in files)
    assert set(told) == {prompt_id}
    assert len(page.said("execution_start", prompt_id)) == 3
    assert len(page.said("execution_success", prompt_id)) == 1
    assert page.said("executing", prompt_id)[-1] == {"node": None, "prompt_id": prompt_id}
    assert json.dumps(entry).count(prompt_id) >= 3
    assert {data["prompt_id"] for _, data in entry["status"]["messages"]} == {prompt_id}


async def test_cancel_ends_a_node_that_queues_its_prompt_again_and_the_next_prompt_runs(stack: Stack) -> None:
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(queues_again(1000, 2), client_id=page.sid)

        async def has_run_twice() -> bool:
            return len(shown(page, prompt_id)) >= 2

        await until(has_run_twice, 60)
        status, _ = await stack.post("/api/interrupt", {"prompt_id": prompt_id})
        await page.heard_end(prompt_id)
    entry = await stack.history(prompt_id)
    following = await stack.history(await stack.queue_prompt(queues_again(0, 3)))

    assert status == 200
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert len(entry["outputs"]["2"]["images"]) >= 2
    assert len(following["outputs"]["2"]["images"]) == 1


async def test_a_prompt_that_a_node_changed_is_shown_as_it_ran_and_submitted_as_it_was(stack: Stack) -> None:
    prompt = {"1": {"class_type": "SandboxOnPrompt", "inputs": {"number": 10}}}
    extra_data = {"extra_pnginfo": {"workflow": {"id": "w", "nodes": [{"id": 1, "widgets_values": [10]}]}}}
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(prompt, client_id=page.sid, extra_data=extra_data)
        await page.heard_end(prompt_id)
        kinds = [message["type"] for message in page.messages]
    entry = await stack.history(prompt_id)
    _, again = await stack.post(f"/runpod/api/jobs/{prompt_id}/retry", {})
    second = await stack.history(again["prompt_id"])

    assert kinds.index("sandbox-feedback") < kinds.index("execution_start")
    assert entry["prompt"][2]["1"]["inputs"] == {"number": 11}
    assert entry["prompt"][3]["extra_pnginfo"]["workflow"]["nodes"] == [{"id": 1, "widgets_values": [11]}]
    assert entry["outputs"] == {"1": {"text": ["11"]}}
    assert second["prompt"][2] == entry["prompt"][2]
    assert second["outputs"] == entry["outputs"]
