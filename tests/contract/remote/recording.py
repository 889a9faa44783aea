"""Runs a case on one side, at ComfyUI itself or through the proxy, and records all that can be seen of it."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.contract.remote.cases import Case
from tests.contract.remote.normal import Normal, Told
from tests.support.page import Page, opened_page
from tests.support.until import until


@dataclass
class Recording:
    """Of one run of a case, normalised."""

    story: list[Told]
    answers: list[Any] = field(default_factory=list)
    histories: list[Any] = field(default_factory=list)
    jobs: list[Any] = field(default_factory=list)
    listed: list[Any] = field(default_factory=list)


@dataclass
class Side:
    """Where prompts are posted. *folder* tells the sides' files in the common output folder apart."""

    name: str
    url: str
    folder: str
    session: aiohttp.ClientSession
    has_jobs: bool

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as response:
            assert response.status == 200, (path, response.status, await response.text())
            return await response.json()

    async def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        async with self.session.post(self.url + path, json=body) as response:
            text = await response.text()
            return response.status, await response.json() if text else None

    async def stop(self, case: Case, prompt_id: str) -> None:
        """As the page would; only we know the newest way, cancelling a job."""
        if case.stop == "job" and self.name == "remote":
            await self.post(f"/api/jobs/{prompt_id}/cancel")
        elif case.stop == "whatever runs":
            await self.post("/api/interrupt")
        else:
            await self.post("/api/interrupt", {"prompt_id": prompt_id})


async def recorded(side: Side, case: Case) -> Recording:
    """The case from its first POST to its last message."""
    async with opened_page(side.session, side.url, modern=case.page == "modern") as page:
        start = len(page.heard_all)
        answers: list[Any] = []
        ids: list[str] = []
        for post in case.posts:
            client = {"page": {"client_id": page.sid}, "nobody": {}, "elsewhere": {"client_id": "elsewhere"}}
            body = {"prompt": post.prompt(side.folder), **post.more, **client[case.client]}
            status, answer = await side.post("/api/prompt", body)
            assert status == 200, answer
            answers.append(answer)
            ids.append(answer["prompt_id"])
            if post is not case.posts[-1]:
                await (_started(page, ids[-1]) if case.together else _ended(side, case, page, ids[-1]))
        if case.stop:
            await until(lambda: _runs(page, ids[-1], case.stop_at))
            await side.stop(case, ids[-1])
        for prompt_id in ids:
            await _ended(side, case, page, prompt_id)
        heard = page.heard_all[start:]
    normal = Normal({page.sid: "the page", **{prompt_id: f"prompt {at}" for at, prompt_id in enumerate(ids)}})
    recording = Recording(normal.story(heard), [normal.value(answer) for answer in answers])
    await _read(side, ids, recording, normal.value)
    return recording


async def _started(page: Page, prompt_id: str) -> None:
    await until(lambda: _runs(page, prompt_id, "2"))


async def _ended(side: Side, case: Case, page: Page, prompt_id: str) -> None:
    async def kept() -> bool:
        return prompt_id in await side.get(f"/history/{prompt_id}")

    if case.client == "page":
        await page.heard_end(prompt_id)
    await until(kept, 60)
    await page.heard_status(0)


async def _runs(page: Page, prompt_id: str, node: str) -> bool:
    return any(node in data["nodes"] for data in page.said("progress_state", prompt_id))


async def _read(side: Side, ids: list[str], recording: Recording, normal: Callable[[Any], Any]) -> None:
    history = await side.get("/history")
    assert [prompt_id for prompt_id in history if prompt_id in ids] == ids
    for prompt_id in ids:
        entry = (await side.get(f"/history/{prompt_id}"))[prompt_id]
        assert {**history[prompt_id], "prompt": history[prompt_id]["prompt"][1:]} == {
            **entry,
            "prompt": entry["prompt"][1:],
        }
        recording.histories.append(normal(entry))
    if side.has_jobs:
        recording.jobs = [normal(await side.get(f"/api/jobs/{prompt_id}")) for prompt_id in ids]
        listed = (await side.get("/api/jobs"))["jobs"]
        recording.listed = normal([job for job in listed if job["id"] in ids])


async def seen(
    side: Side, prompts: list[dict[str, Any]], look: Callable[[Side, list[str]], Awaitable[Any]]
) -> tuple[Any, list[Told]]:
    """What *look* sees while the first of *prompts* runs and the others wait; then all are stopped. And the story."""
    page_id = uuid.uuid4().hex
    async with opened_page(side.session, side.url, page_id) as page:
        start = len(page.heard_all)
        ids: list[str] = []
        for body in prompts:
            _, answer = await side.post("/api/prompt", {**body, "client_id": page.sid})
            ids.append(answer["prompt_id"])
            await until(lambda: _runs(page, ids[0], "2"))
        found = await look(side, ids)
        await side.post("/api/queue", {"clear": True})
        await side.post("/api/interrupt", {"prompt_id": ids[0]})
        await page.heard_end(ids[0])
        await page.heard_status(0)
    normal = Normal({page_id: "the page", **{prompt_id: f"prompt {at}" for at, prompt_id in enumerate(ids)}})
    return normal.value(found), normal.story(page.heard_all[start:])
