"""A RunPod client, as thin as can be, for tests of workers."""

import asyncio
from typing import Any

import aiohttp

_HEADERS = {"Authorization": "Bearer any"}


class JobClient:
    """*base* is the endpoint's API, ``http://127.0.0.1:PORT/v2``."""

    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = f"{base}/sandbox", http

    async def submit(self, workflow: dict[str, Any], **more: Any) -> str:
        body = {"input": {"workflow": workflow, **more}}
        async with self._http.post(f"{self._url}/run", json=body, headers=_HEADERS) as answer:
            return str((await answer.json())["id"])

    async def status(self, job: str) -> dict[str, Any]:
        async with self._http.get(f"{self._url}/status/{job}", headers=_HEADERS) as answer:
            value: dict[str, Any] = await answer.json()
            return value

    async def cancel(self, job: str) -> None:
        async with self._http.post(f"{self._url}/cancel/{job}", headers=_HEADERS) as answer:
            assert answer.status == 200

    async def reaches(self, job: str, *statuses: str, timeout_s: float = 60) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            while (answer := await self.status(job))["status"] not in statuses:
                await asyncio.sleep(0.02)
        return answer

    async def ends(self, job: str, timeout_s: float = 60) -> dict[str, Any]:
        return await self.reaches(job, "COMPLETED", "FAILED", timeout_s=timeout_s)

    async def runs(self, job: str, timeout_s: float = 60) -> None:
        """Returns when ComfyUI works on the job."""
        async with asyncio.timeout(timeout_s):
            while True:
                async with self._http.get(f"{self._url}/stream/{job}?wait=1000", headers=_HEADERS) as answer:
                    if "node_started" in await answer.text():
                        return


def events(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The events in the output of a job that ended."""
    return [event for batch in answer["output"] for event in batch["events"]]
