"""What a person does meanwhile: presses Run, and sometimes Cancel."""

import asyncio
import contextlib
import uuid
from typing import Any

import aiohttp

from chaos.faults import Dice, Job
from tests.support.prompts import Prompt, slow_image

_BUSY = 5
"""jobs that are under way at once"""
_PAUSE_S = 0.3
_ANSWER_S = 20.0


class Person:
    """At the page of the proxy at *url*."""

    def __init__(self, url: str, dice: Dice, session: aiohttp.ClientSession) -> None:
        self._url, self._dice, self._session = url, dice, session
        self.pressed: list[str] = []
        """the prompts that were posted, whatever came back"""
        self.cancelled: set[str] = set()
        self._cancelling = set[asyncio.Task[None]]()

    async def work(self) -> None:
        """Until cancelled."""
        try:
            while True:
                if await self._busy() < _BUSY:
                    await self._press_run(self._dice.job())
                await asyncio.sleep(_PAUSE_S)
        finally:
            for task in self._cancelling:
                task.cancel()
            await asyncio.gather(*self._cancelling, return_exceptions=True)

    async def _busy(self) -> int:
        status = await self._get("/runpod/api/status")
        if status is None:
            return _BUSY
        jobs = status["jobs"]
        return int(jobs["pending"] + jobs["running"] + jobs["attention"])

    async def press_run_once_more(self, times: int) -> None:
        """As a person does who was told that a job may not have run: any job tells what became of the others."""
        for _ in range(times):
            await self._press_run(Job.PICTURE, may_cancel=False)

    async def _press_run(self, job: Job, *, may_cancel: bool = True) -> None:
        prompt_id = str(uuid.uuid4())
        body = {"prompt": _prompt(job, self._dice.seed()), "prompt_id": prompt_id}
        self.pressed.append(prompt_id)
        await self._post("/prompt", body)
        if may_cancel and self._dice.cancels():
            self.cancelled.add(prompt_id)
            task = asyncio.create_task(self._cancel(prompt_id, self._dice.seconds(0, 8)))
            self._cancelling.add(task)
            task.add_done_callback(self._cancelling.discard)

    async def _cancel(self, prompt_id: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        while not await self._post(f"/runpod/api/jobs/{prompt_id}/cancel", {}):
            await asyncio.sleep(1)

    async def _get(self, path: str) -> Any:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.get(self._url + path, timeout=_timeout()) as response:
                return await response.json() if response.status == 200 else None
        return None

    async def _post(self, path: str, body: Any) -> bool:
        """Whether it was answered; an answer may be lost, as for any person whose page is reloaded."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with self._session.post(self._url + path, json=body, timeout=_timeout()) as response:
                return response.status < 500
        return False


def _timeout() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=_ANSWER_S)


def _prompt(job: Job, seed: int) -> Prompt:
    match job:
        case Job.PICTURE:
            size, color = 64 + seed % 64, seed % 0xFFFFFF
            return slow_image(0.2, prefix=f"chaos/picture{seed}", color=color, size=size)
        case Job.LONG_RUN:
            return slow_image(2 + seed % 10, prefix=f"chaos/long{seed}", color=seed % 0xFFFFFF)
        case Job.FILM_12 | Job.FILM_60:
            inputs = {"megabytes": 12 if job is Job.FILM_12 else 60, "seed": seed, "filename_prefix": "chaos/film"}
            return {"1": {"class_type": "SandboxFilm", "inputs": inputs}}
