"""A job of RunPod's SDK in, our events out: as a stream, or as one answer."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.conftest import SLOW, save, until_idle
from wire.batch import decode_batch
from wire.files import decode_bytes
from worker.app import App
from worker.handler import Handler

GiveUp = Callable[[str], None]


class Jobs:
    """What the worker's shutdown is told."""

    def __init__(self) -> None:
        self.began: list[tuple[asyncio.Task[Any], GiveUp]] = []

    def job_began(self, task: asyncio.Task[Any], give_up: GiveUp) -> None:
        self.began.append((task, give_up))


def job(workflow: dict[str, Any]) -> dict[str, Any]:
    return {"id": "job", "input": {"workflow": workflow}}


def handler(app: App) -> Handler:
    return Handler(app.open_session, Jobs().job_began)


async def test_a_stream_is_batches_of_events_to_the_last(app: App) -> None:
    kinds = [
        numbered.event.kind
        async for batch in handler(app).stream(job({"7": save(512)}))
        for numbered in decode_batch(batch).events
    ]

    assert kinds[-2:] == ["node_output", "prompt_finished"]


async def test_a_batch_is_short_in_the_debug_log_of_the_sdk(app: App) -> None:
    batches = [batch async for batch in handler(app).stream(job({"7": save(512)}))]

    assert all(len(repr(batch)) < 20 for batch in batches)


async def test_bytes_that_were_delivered_are_not_repeated_beyond_a_limit(app: App) -> None:
    batches = [batch async for batch in handler(app).stream(job({"7": save(12 * 1024 * 1024)}))]

    kinds = [event["kind"] for batch in batches for event in batch["events"]]
    assert "omitted" in kinds
    assert "file_chunk" not in kinds
    assert kinds[-1] == "prompt_finished"


async def test_a_stream_that_is_closed_early_cancels_its_prompt(app: App) -> None:
    stream = handler(app).stream(job(SLOW))
    async for _ in stream:
        break

    await stream.aclose()

    await until_idle(app)


async def test_the_task_that_reads_a_job_is_announced_with_the_way_to_give_the_job_up(app: App) -> None:
    jobs = Jobs()
    one = Handler(app.open_session, jobs.job_began)
    reading = asyncio.create_task(one.once(job(SLOW)))
    async with asyncio.timeout(60):
        while not jobs.began:
            await asyncio.sleep(0.005)
    (task, give_up), *_ = jobs.began
    give_up("The worker is told to stop.")
    answer = await asyncio.wait_for(reading, 60)

    assert task is reading
    assert answer["error"] == "The worker is told to stop."
    assert answer["error_type"] == "worker_stopped"
    await until_idle(app)


async def test_an_answer_has_the_files_and_a_status(app: App) -> None:
    answer = await handler(app).once(job({"7": save(512)}))

    assert answer["status"] == "success"
    assert [image["filename"] for image in answer["images"]] == ["picture.png"]
    assert decode_bytes(answer["images"][0]["data"]) == bytes(range(256)) * 2
    assert answer["files"][0]["node"] == "7"


async def test_an_answer_to_a_wrong_request_says_what_is_wrong(app: App) -> None:
    answer = await handler(app).once({"id": "job", "input": {}})

    assert answer["error_type"] == "bad_request"
    assert answer["error"].startswith("`input.workflow`")


async def test_an_answer_without_a_file_that_comfyui_named_is_an_error_with_the_other_files(app: App) -> None:
    claim = {"class_type": "Claim", "inputs": {"name": "never.png"}}

    answer = await handler(app).once(job({"1": claim, "7": save(512)}))

    assert answer["error_type"] == "output_missing"
    assert "never.png" in answer["error"]
    assert [image["filename"] for image in answer["images"]] == ["picture.png"]


async def test_an_answer_of_a_prompt_without_a_part_is_incomplete(app: App) -> None:
    answer = await handler(app).once(job({"1": {"class_type": "Refused", "inputs": {}}, "7": save(512)}))

    assert answer["status"] == "incomplete"
    assert list(answer["node_errors"]) == ["1"]


async def test_a_cancelled_answer_cancels_its_prompt(app: App) -> None:
    reading = asyncio.create_task(handler(app).once(job(SLOW)))
    await asyncio.sleep(0)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    await until_idle(app)
