"""Batches without a budget: what a worker sends in one piece is dealt with in short steps, or refused.

Promise: as for requests. A job whose worker sends more than any of this project does ends, and its time is not paid on.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from engine.runpod.endpoint import Endpoint
from tests.support.engine import engine
from tests.support.measured import cost_of, needs_proc
from tests.support.runpod import Answer, RunPod, pictures, serving
from wire.batch import encode_batch, encode_event
from wire.events import (
    HistoryEntry,
    NodesProgressed,
    NodeText,
    PromptFinished,
    PromptStarted,
    WorkerEvent,
    WorkerFailed,
)
from wire.progress import NodeProgress

JSON = {"Content-Type": "application/json"}


async def run_a_job(url: str, home: str) -> list[str | None]:
    """State and error of a job that has ended."""
    async with (
        aiohttp.ClientSession() as session,
        engine(Path(home), [Endpoint(url, "ep", SecretStr("key"), session, session)]) as running,
    ):
        job = await running.ended(running.submit(), 60)
        await running.stopped_everything()
        return [job.state.value, job.error]


def ending(outputs: dict[str, Any] | None = None) -> WorkerEvent:
    messages = [["execution_success", {"timestamp": 9}]]
    status = {"status_str": "success", "completed": True, "messages": messages}
    return PromptFinished(timestamp=9, history=HistoryEntry(outputs=outputs or {}, status=status))


def batch(events: Sequence[Any]) -> str:
    """Numbered; an event may also be its own JSON."""
    encoded = [
        event | {"seq": at} if isinstance(event, dict) else encode_event(at, event) for at, event in enumerate(events)
    ]
    return json.dumps(encode_batch("run-1", 1, encoded))


def texts(count: int) -> list[Any]:
    return [PromptStarted(timestamp=1), *[NodeText(node="1", text="x")] * count, ending()]


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def output(value: Any) -> dict[str, Any]:
    return {"kind": "node_output", "node": "1", "output": {"a": value}}


def progress() -> list[WorkerEvent]:
    """Of thirty thousand nodes, each of which has finished."""
    return [
        NodesProgressed(
            nodes={f"{turn}-{at}": NodeProgress(value=1, max=1, state="finished", node_id="1") for at in range(1_000)}
        )
        for turn in range(30)
    ]


BY_ITSELF = "more characters"
OF_THIS_PROJECT = "this project"
CASES: dict[str, tuple[Callable[[], str], str, str]] = {
    "twenty thousand texts": (lambda: batch(texts(20_000)), "completed", ""),
    "three hundred thousand texts": (lambda: batch(texts(300_000)), "failed", OF_THIS_PROJECT),
    "events of no words": (lambda: batch([{"kind": "omitted"}] * 60_000), "failed", "25,000"),
    "unknown events": (lambda: batch([{"kind": f"k{at}"} for at in range(20_000)] + [ending()]), "completed", ""),
    "an output of many values": (lambda: batch([output([1] * 40_000), ending()]), "completed", ""),
    "an output of very many values": (lambda: batch([output([1] * 200_000), ending()]), "failed", "50,000"),
    "an output of very many objects": (lambda: batch([output([{}] * 200_000), ending()]), "failed", OF_THIS_PROJECT),
    "outputs of many values": (lambda: batch([output([{}] * 20_000)] * 8 + [ending()]), "completed", ""),
    "a history of many values": (lambda: batch([ending({"1": {"a": [1] * 45_000}})]), "completed", ""),
    "an output nested deeply": (lambda: batch([output(nested(80)), ending()]), "failed", "nested"),
    "an output nested very deeply": (lambda: batch([output(nested(900)), ending()]), "failed", OF_THIS_PROJECT),
    "progress of very many nodes": (lambda: batch([*progress(), ending()]), "completed", ""),
    "a failure without end": (
        lambda: batch([WorkerFailed(error_type="x", message="x" * 2_000_000)]),
        "failed",
        BY_ITSELF,
    ),
    "numbers that are none": (lambda: batch([output([float("nan")] * 40_000), ending()]), "completed", ""),
}


@needs_proc
@pytest.mark.parametrize(("make", "state", "says"), CASES.values(), ids=CASES)
async def test_a_batch_has_a_budget(tmp_path: Path, make: Callable[[], str], state: str, says: str) -> None:
    body = f'{{"status": "IN_PROGRESS", "stream": [{{"output": {make()}}}]}}'
    async with serving(RunPod(pictures(), holds=True)) as runpod:
        runpod.spoil("stream", Answer(200, body, JSON))
        cost = await cost_of(run_a_job, runpod.url, str(tmp_path))

    ended, error = cost.outcome
    assert ended == state
    assert says in (error or "")
    assert len(error or "") < 20_000
    assert not runpod.running or state == "completed" or says == BY_ITSELF
    cost.require()
