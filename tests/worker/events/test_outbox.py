"""The shell around Pending: when batches leave, and who has to wait."""

import asyncio
import time

from wire.batch import decode_batch
from wire.events import FileChunk, NodeStarted, StepProgress
from worker.events.outbox import WEIGHT_MAX, Outbox

CHUNK = FileChunk(transfer=0, offset=0, data="A" * 600_000)


def outbox() -> Outbox:
    return Outbox("run", 7, time.monotonic)


async def test_batches_carry_the_run_and_end_with_it() -> None:
    box = outbox()
    await box.put(NodeStarted(node="1"))
    await box.put(NodeStarted(node="2"))
    box.close()

    (batch,) = [decode_batch(item) async for item in box.batches()]

    assert (batch.run, batch.started) == ("run", 7)
    assert [numbered.seq for numbered in batch.events] == [0, 1]


async def test_what_people_wait_for_leaves_at_once_and_progress_is_gathered() -> None:
    box = outbox()
    batches = box.batches()
    await box.put(NodeStarted(node="1"))
    await anext(batches)
    for value in range(5):
        await box.put(StepProgress(node="1", value=value, max=5))
    began = time.monotonic()
    paced = decode_batch(await anext(batches))
    waited = time.monotonic() - began

    assert [numbered.event for numbered in paced.events] == [StepProgress(node="1", value=4, max=5)]
    assert waited > 0.05


async def test_a_reader_that_waits_is_woken_by_an_event() -> None:
    box = outbox()
    reader = asyncio.ensure_future(anext(box.batches()))
    await asyncio.sleep(0)
    await box.put(NodeStarted(node="1"))

    batch = decode_batch(await asyncio.wait_for(reader, 60))

    assert batch.events[0].event == NodeStarted(node="1")


async def test_who_puts_too_much_waits_until_it_is_read() -> None:
    box = outbox()
    put = 0

    async def fill() -> None:
        nonlocal put
        for _ in range(30):
            await box.put(CHUNK)
            put += 1
        box.close()

    writer = asyncio.create_task(fill())
    await asyncio.sleep(0)
    held = put
    count = len([batch async for batch in box.batches()])
    await writer

    assert held * len(CHUNK.data) <= WEIGHT_MAX + 2 * len(CHUNK.data)
    assert count == 30
