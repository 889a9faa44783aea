"""The sandbox's node that waits for a person."""

from pathlib import Path

import aiohttp

from tests.support.comfyui import comfyui_process
from tests.support.page import opened_page
from tests.support.until import until


async def test_the_node_goes_on_with_the_answer_of_its_own_question(tmp_path: Path) -> None:
    prompt = {"7": {"class_type": "SandboxAsk", "inputs": {"question": "which?"}}}
    async with (
        comfyui_process(data=tmp_path) as url,
        aiohttp.ClientSession() as session,
        opened_page(session, url) as page,
    ):
        await session.post(f"{url}/sandbox/answer", json={"node": "7", "answer": "too early"})
        body = {"prompt": prompt, "client_id": page.sid}
        async with session.post(f"{url}/prompt", json=body) as queued:
            prompt_id = (await queued.json())["prompt_id"]

        async def asked() -> list[object]:
            return [message["data"] for message in page.messages if message["type"] == "sandbox-ask"]

        (question,) = await until(asked)
        await session.post(f"{url}/api/sandbox/answer", json={"node": "7", "answer": "the second"})
        await page.heard_end(prompt_id)
        async with session.get(f"{url}/history/{prompt_id}") as answer:
            entry = (await answer.json())[prompt_id]

    assert question == {"node": "7", "question": "which?"}
    assert entry["outputs"] == {"7": {"text": ["the second"]}}
