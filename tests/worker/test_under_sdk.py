"""The worker's process under RunPod's unmodified SDK, against the sandbox endpoint: cancelling really frees ComfyUI.

A job that was left running would block the one ComfyUI, and with it the job that follows.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from wire.batch import decode_batch
from wire.events import WorkerEvent, WorkerState
from wire.job import decode_result

PROJECT = Path(__file__).parents[2]
FAKE = Path(__file__).parent / "fake_comfyui"
SLOW = {"class_type": "Slow", "inputs": {}}
QUICK = {"1": {"class_type": "Save", "inputs": {"size": 512, "name": "quick"}}}


class Endpoint:
    """A RunPod client, as thin as can be."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = f"{url}/sandbox", http

    async def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"Authorization": "Bearer any"}
        async with self._http.request(method, f"{self._url}/{path}", json=body, headers=headers) as response:
            value: dict[str, Any] = await response.json()
            return value

    async def run(self, workflow: dict[str, Any]) -> str:
        return str((await self.call("POST", "run", {"input": {"workflow": workflow}}))["id"])

    async def stream(self, job: str) -> AsyncIterator[WorkerEvent]:
        """Events until the job has ended."""
        while True:
            answer = await self.call("GET", f"stream/{job}?wait=1000")
            for chunk in answer["stream"]:
                for numbered in decode_batch(chunk["output"]).events:
                    yield numbered.event
            if answer["status"] not in ("IN_QUEUE", "IN_PROGRESS"):
                return

    async def until_told(self, job: str, kind: str) -> None:
        async with asyncio.timeout(60):
            async for event in self.stream(job):
                if event.kind == kind:
                    return
        raise AssertionError(f"the job ended without {kind}")

    async def result(self, job: str) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (answer := await self.call("GET", f"status/{job}"))["status"] in ("IN_QUEUE", "IN_PROGRESS"):
                await asyncio.sleep(0.05)
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Endpoint]:
    home = tmp_path_factory.mktemp("endpoint")
    command = [sys.executable, "-m", "sandbox.endpoint", "--port", "0", "--comfyui-home", FAKE, "--home", home]
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=asyncio.subprocess.PIPE, cwd=PROJECT)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(process.wait)
        stack.callback(process.terminate)
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
        yield Endpoint(line.split()[-1], await stack.enter_async_context(aiohttp.ClientSession()))


async def cancelled_then_quick(endpoint: Endpoint, job: str) -> dict[str, Any]:
    await endpoint.call("POST", f"cancel/{job}")
    return await endpoint.result(await endpoint.run(QUICK))


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_result_is_streamed_and_repeated_at_the_end(endpoint: Endpoint) -> None:
    job = await endpoint.run(QUICK)

    streamed = [event async for event in endpoint.stream(job)]
    answer = await endpoint.result(job)

    repeated = [numbered.event for batch in decode_result(answer["output"]) for numbered in batch.events]
    assert answer["status"] == "COMPLETED"
    assert streamed[-1].kind == "prompt_finished"
    assert repeated == streamed


async def test_cancelled_while_the_generator_waits(endpoint: Endpoint) -> None:
    job = await endpoint.run({"1": SLOW})
    await endpoint.until_told(job, "step_progress")

    after = await cancelled_then_quick(endpoint, job)

    assert after["status"] == "COMPLETED"


async def test_cancelled_while_the_generator_is_suspended_at_its_yield(endpoint: Endpoint) -> None:
    large = {"class_type": "Save", "inputs": {"size": 200_000_000, "name": "large"}}
    job = await endpoint.run({"1": large, "2": SLOW})
    await endpoint.until_told(job, "file_chunk")  # from now on the SDK posts one chunk after the other

    after = await cancelled_then_quick(endpoint, job)

    assert after["status"] == "COMPLETED"


async def test_cancelled_as_soon_as_it_runs(endpoint: Endpoint) -> None:
    job = await endpoint.run({"1": SLOW})
    async with asyncio.timeout(60):
        while (await endpoint.call("GET", f"status/{job}"))["status"] != "IN_PROGRESS":
            await asyncio.sleep(0.01)

    after = await cancelled_then_quick(endpoint, job)

    assert after["status"] == "COMPLETED"


async def test_cancelled_while_a_node_does_not_look_at_the_interrupt(endpoint: Endpoint) -> None:
    job = await endpoint.run({"1": {"class_type": "Blocking", "inputs": {"seconds": 600}}})
    await endpoint.until_told(job, "node_started")

    await endpoint.call("POST", f"cancel/{job}")
    after = [event async for event in endpoint.stream(await endpoint.run(QUICK))]

    assert after[0] == WorkerState(phase="stopping", message="Stopping the last job")
    assert after[-1].kind == "prompt_finished"


async def test_a_wrong_request_ends_the_job_with_its_reason(endpoint: Endpoint) -> None:
    job = (await endpoint.call("POST", "run", {"input": {"workflow": "none"}}))["id"]

    streamed = [event async for event in endpoint.stream(job)]

    assert streamed[-1].kind == "worker_failed"
