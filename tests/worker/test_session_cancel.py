"""Jobs that are cancelled: ComfyUI is free afterwards, and the job that comes next runs."""

import asyncio
import hashlib
from pathlib import Path

import aiohttp

from tests.worker.conftest import FAKE, SLOW, Read, Reader, cancelled, make_app, save, until_idle
from wire.events import (
    NodeOutput,
    PromptFinished,
    PromptInterrupted,
    WorkerEvent,
    WorkerState,
)
from wire.files import FileRef, Inline
from worker.app import App
from worker.comfyui.turns import Turns


def is_progress(event: WorkerEvent) -> bool:
    return event.kind == "step_progress"


async def test_a_job_cancelled_while_it_waits_for_events_frees_comfyui(read: Read, app: App) -> None:
    reader = read(SLOW)
    await reader.until(lambda: "preview" in reader.kinds())

    await cancelled(reader)

    await until_idle(app)


async def test_a_job_cancelled_while_a_batch_is_posted_frees_comfyui(read: Read, app: App) -> None:
    reader = read(SLOW)
    reader.hold = is_progress
    await asyncio.wait_for(reader.posting.wait(), 60)

    await cancelled(reader)

    await until_idle(app)


async def test_a_job_cancelled_while_its_submission_is_on_the_way_frees_comfyui(read: Read, app: App) -> None:
    reader = read(SLOW, extra_data={"validation_s": 0.4})
    await asyncio.sleep(0.2)  # nothing tells that ComfyUI validates

    await cancelled(reader)

    await asyncio.sleep(0.4)
    await until_idle(app)


async def test_a_job_cancelled_before_it_did_anything_leaves_nothing(read: Read, app: App) -> None:
    reader = read(SLOW)
    await asyncio.sleep(0)

    await cancelled(reader)

    await until_idle(app)


async def test_a_job_cancelled_while_its_model_is_fetched_leaves_nothing_behind(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()  # until the worker goes away
        writer.close()

    app = make_app(FAKE, tmp_path, models_dir=tmp_path / "models", downloads_allow_private=True)
    app.start()
    server = await asyncio.start_server(never, "127.0.0.1", 0)
    try:
        source = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/a.safetensors"
        reader = Reader(app, SLOW, models=[{"source": source, "folder": "loras"}])
        await asyncio.wait_for(asked.wait(), 60)

        await cancelled(reader)
        following = Reader(app, {"7": save(512)})
        await following.task
    finally:
        server.close()
        app.stop()

    assert isinstance(following.events[-1], PromptFinished)
    assert not (tmp_path / "models" / "loras" / ".a.safetensors.lock").exists()


async def test_an_interrupt_that_comfyui_forgets_is_repeated(read: Read, app: App) -> None:
    reader = read({"1": {"class_type": "Deaf", "inputs": {}}})
    await reader.until(lambda: "node_started" in reader.kinds())

    await cancelled(reader)

    await until_idle(app)


BLOCKING = {"1": {"class_type": "Blocking", "inputs": {"seconds": 600}}}


async def test_the_job_after_a_prompt_that_ignores_its_cancel_waits_says_so_and_runs(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path, turns=Turns(600, 0.3))
    app.start()
    try:
        blocking = Reader(app, BLOCKING)
        await blocking.until(lambda: "node_started" in blocking.kinds())
        await cancelled(blocking)
        following = Reader(app, {"7": save(512)})
        await following.task
    finally:
        app.stop()

    assert following.events[0] == WorkerState(phase="stopping", message="Stopping the last job")
    assert "worker_failed" not in following.kinds()
    assert isinstance(following.events[-1], PromptFinished)


async def test_the_job_after_a_prompt_that_leaves_late_runs_in_the_same_comfyui(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path, turns=Turns(600, 600))
    app.start()
    try:
        blocking = Reader(app, {"1": {"class_type": "Blocking", "inputs": {"seconds": 0.5}}})
        await blocking.until(lambda: "node_started" in blocking.kinds())
        await cancelled(blocking)
        following = Reader(app, {"7": save(512)})
        await following.task
    finally:
        app.stop()

    assert [event.phase for event in following.events if isinstance(event, WorkerState)] == ["stopping"]
    assert isinstance(following.events[-1], PromptFinished)


async def test_a_job_that_names_the_inputs_of_the_cancelled_one_finds_them(tmp_path: Path) -> None:
    content = b"needed twice"
    file = FileRef(
        filename="a.txt",
        type="input",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        source=Inline.of(content),
    ).model_dump()
    app = make_app(FAKE, tmp_path, turns=Turns(600, 0.3))
    app.start()
    try:
        blocking = Reader(app, BLOCKING, files=[file])
        await blocking.until(lambda: "node_started" in blocking.kinds())
        await cancelled(blocking)
        following = Reader(app, {"1": {"class_type": "Read", "inputs": {"name": "a.txt"}}}, files=[file])
        await following.task
    finally:
        app.stop()

    (output,) = [event for event in following.events if isinstance(event, NodeOutput)]
    assert output.output == {"text": ["needed twice"]}


async def test_a_prompt_interrupted_at_comfyui_ends_interrupted(read: Read, app: App) -> None:
    reader = read(SLOW, prompt_id="p-interrupted")
    await reader.until(lambda: "step_progress" in reader.kinds())

    async with aiohttp.ClientSession() as http:
        await http.post(f"{app.comfy_url}/interrupt", json={"prompt_id": "p-interrupted"})
    await reader.task

    assert isinstance(reader.events[-1], PromptInterrupted)
