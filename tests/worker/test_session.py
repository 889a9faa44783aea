"""Jobs in a worker that drives a ComfyUI process: what is told, and what happens when something breaks."""

import asyncio
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.worker.conftest import FAKE, Reader, make_app
from wire.events import (
    FileChunk,
    NodeOutput,
    PromptFinished,
    PromptInterrupted,
    PromptRejected,
    WorkerEvent,
    WorkerFailed,
    WorkerState,
)
from wire.files import FileRef, Inline, Streamed, decode_bytes
from wire.limits import FILE_CHUNK
from worker.app import App
from worker.comfyui.process import ComfyProcess

Read = Callable[..., Reader]
SLOW = {"1": {"class_type": "Slow", "inputs": {}}}


def save(size: int, name: str = "picture") -> dict[str, Any]:
    return {"class_type": "Save", "inputs": {"size": size, "name": name}}


async def queue(app: App) -> list[Any]:
    async with aiohttp.ClientSession() as http, http.get(f"{app.comfy_url}/queue") as response:
        value = await response.json()
    return [*value["queue_running"], *value["queue_pending"]]


async def until_idle(app: App, timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while await queue(app):
            await asyncio.sleep(0.02)


async def cancelled(reader: Reader) -> None:
    """What RunPod's SDK does when a job is stopped."""
    reader.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader.task


async def test_a_job_tells_its_story_in_order(read: Read) -> None:
    reader = read({"7": save(512)})

    await reader.task

    kinds = [kind for kind in reader.kinds() if kind != "worker_state"]
    assert kinds == ["prompt_started", "node_started", "node_output", "prompt_finished"]
    assert reader.sequence == list(range(len(reader.events)))


async def test_a_small_output_travels_inside_its_event(read: Read) -> None:
    reader = read({"7": save(512)})

    await reader.task

    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    (file,) = output.files
    assert isinstance(file.source, Inline)
    assert file.source.content() == bytes(range(256)) * 2
    assert file.sha256 == hashlib.sha256(file.source.content()).hexdigest()


async def test_a_large_output_travels_in_chunks_before_its_event(read: Read) -> None:
    size = 8 * 1024 * 1024
    reader = read({"7": save(size)})

    await reader.task

    chunks = [event for event in reader.events if isinstance(event, FileChunk)]
    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    content = b"".join(decode_bytes(chunk.data) for chunk in chunks)
    assert [chunk.offset for chunk in chunks] == list(range(0, size, FILE_CHUNK))
    assert output.files[0].source == Streamed(transfer=0)
    assert output.files[0].size == size
    assert hashlib.sha256(content).hexdigest() == output.files[0].sha256
    assert reader.events.index(output) > reader.events.index(chunks[-1])


async def test_a_text_larger_than_a_batch_is_cut_and_says_so(read: Read) -> None:
    reader = read({"1": {"class_type": "Text", "inputs": {"size": 900_000}}})

    await reader.task

    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    assert output.output is not None
    assert "more characters were cut" in output.output["text"][0]
    assert isinstance(reader.events[-1], PromptFinished)


async def test_input_files_are_there_when_the_prompt_runs_and_gone_after_it(read: Read, data: Path) -> None:
    content = b"from afar"
    file = FileRef(
        filename="a.txt",
        subfolder="deep/er",
        type="input",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        source=Inline.of(content),
    )
    node = {"class_type": "Read", "inputs": {"name": "deep/er/a.txt"}}
    reader = read({"1": node}, files=[file.model_dump()])

    await reader.task

    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    assert output.output == {"text": ["from afar"]}
    await reader.until(lambda: not list((data / "input").rglob("*.txt")))


async def test_the_prompt_keeps_the_callers_id(read: Read) -> None:
    reader = read({"7": save(256)}, prompt_id="0b6f9a52-6f3f-4b0c-9d0b-5d6fbd1e0f11")

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, PromptFinished)
    assert ending.history.status["messages"][0][1]["prompt_id"] == "0b6f9a52-6f3f-4b0c-9d0b-5d6fbd1e0f11"


async def test_a_refused_prompt_is_told_in_comfyuis_words(read: Read) -> None:
    reader = read({"1": {"class_type": "Unknown", "inputs": {}}})

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, PromptRejected)
    assert ending.error["type"] == "invalid_prompt"
    assert ending.node_errors == {"1": {"errors": []}}


@pytest.mark.parametrize(
    "job_input",
    [
        {"workflow": {}},
        {"workflow": {"1": save(1)}, "protocol": 99},
        {"workflow": {"1": save(1)}, "reference_images": {"../x.png": "aGk="}},
    ],
)
async def test_a_wrong_request_is_told_at_once(read: Read, job_input: dict[str, Any]) -> None:
    reader = read(**job_input)

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, WorkerFailed)
    assert ending.error_type == "bad_request"


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
    await asyncio.wait_for(reader.posting.wait(), 10)

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
        await asyncio.wait_for(asked.wait(), 20)

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


async def test_a_prompt_interrupted_at_comfyui_ends_interrupted(read: Read, app: App) -> None:
    reader = read(SLOW, prompt_id="p-interrupted")
    await reader.until(lambda: "step_progress" in reader.kinds())

    async with aiohttp.ClientSession() as http:
        await http.post(f"{app.comfy_url}/interrupt", json={"prompt_id": "p-interrupted"})
    await reader.task

    assert isinstance(reader.events[-1], PromptInterrupted)


async def test_a_lost_websocket_loses_no_output(read: Read) -> None:
    reader = read({"1": {"class_type": "DropSocket", "inputs": {}}, "2": save(300, "after")})

    await reader.task

    outputs = [event for event in reader.events if isinstance(event, NodeOutput)]
    assert [output.files[0].filename for output in outputs] == ["after.png"]
    assert isinstance(reader.events[-1], PromptFinished)


async def test_a_prompt_that_comfyui_forgot_does_not_hang(read: Read) -> None:
    reader = read({"1": {"class_type": "Vanish", "inputs": {}}})

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, WorkerFailed)
    assert ending.error_type == "prompt_vanished"


async def test_a_comfyui_that_dies_is_named_with_its_log_and_started_again(read: Read) -> None:
    reader = read({"1": {"class_type": "Die", "inputs": {}}})
    await reader.task
    after = read({"7": save(256)})
    await after.task

    ending = reader.events[-1]
    assert isinstance(ending, WorkerFailed)
    assert ending.error_type == "comfyui_died"
    assert "exit status 3" in ending.message
    assert "CUDA error: out of luck" in ending.diagnostics["log_tail"]
    assert isinstance(after.events[0], WorkerState)
    assert isinstance(after.events[-1], PromptFinished)


async def test_a_worker_without_a_comfyui_says_so_in_each_job(tmp_path: Path) -> None:
    app = make_app(tmp_path / "nothing", tmp_path / "data")
    app.start()
    try:
        reader = Reader(app, {"7": save(1)})
        await reader.task
    finally:
        app.stop()

    ending = reader.events[-1]
    assert isinstance(ending, WorkerFailed)
    assert "main.py is missing" in ending.message


async def test_a_comfyui_that_cannot_start_fails_the_job_with_its_last_words(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path, comfyui_args="--fail")
    app.start()
    try:
        reader = Reader(app, {"7": save(1)})
        await reader.task
    finally:
        app.stop()

    ending = reader.events[-1]
    assert isinstance(ending, WorkerFailed)
    assert "no such model folder" in ending.diagnostics["log_tail"]


async def test_a_wrong_interpreter_is_named(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path, comfyui_python=tmp_path / "no-python")
    app.start()
    try:
        reader = Reader(app, {"7": save(1)})
        await reader.task
    finally:
        app.stop()

    ending = reader.events[-1]
    assert isinstance(ending, WorkerFailed)
    assert "no-python" in ending.message


async def test_without_streaming_the_result_is_one_answer(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path, worker_stream=False)
    app.start()
    try:
        good = await app.handler({"id": "1", "input": {"workflow": {"7": save(512)}}})  # type: ignore[misc]
        bad = await app.handler({"id": "2", "input": {}})  # type: ignore[misc]
    finally:
        app.stop()

    assert good["status"] == "success"
    assert [image["filename"] for image in good["images"]] == ["picture.png"]
    assert decode_bytes(good["images"][0]["data"]) == bytes(range(256)) * 2
    assert good["files"][0]["node"] == "7"
    assert bad["error_type"] == "bad_request"
    assert bad["error"].startswith("`input.workflow`")


async def test_comfyui_ends_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tests.worker.conftest import FAKE, make_app;"
        "app = make_app(FAKE, Path(sys.argv[1])); app.start();"
        "print(app.comfy_url, flush=True); time.sleep(60)"
    )
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE, cwd=FAKE.parents[2]
    )
    assert worker.stdout is not None
    url = (await worker.stdout.readline()).decode().strip()
    await until_answering(url, wanted=True)

    worker.kill()
    await worker.wait()

    await until_answering(url, wanted=False)


async def until_answering(url: str, *, wanted: bool) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(15):
        while True:
            try:
                await http.get(f"{url}/system_stats")
                answering = True
            except aiohttp.ClientError:
                answering = False
            if answering is wanted:
                return
            await asyncio.sleep(0.05)


def test_comfyui_is_there_before_anybody_else_can_fork(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import time; time.sleep(60)")
    process = ComfyProcess(tmp_path)
    process.start((sys.executable, "main.py"))
    commands = [child.cmdline() for child in psutil.Process().children()]
    process.stop()

    assert any("main.py" in command for command in commands)
