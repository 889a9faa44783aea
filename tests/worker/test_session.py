"""Jobs in a worker that drives a ComfyUI process: what is told, and what happens when something breaks."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import FAKE, Read, Reader, make_app, save
from wire.events import (
    FileChunk,
    NodeOutput,
    PromptFinished,
    PromptRejected,
    WorkerFailed,
    WorkerState,
)
from wire.files import FileRef, Inline, Streamed, decode_bytes
from wire.limits import FILE_CHUNK


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


async def test_the_ending_of_a_prompt_that_runs_without_a_part_names_the_part(read: Read) -> None:
    reader = read({"1": {"class_type": "Refused", "inputs": {}}, "7": save(256)})

    await reader.task

    ending = reader.events[-1]
    assert isinstance(ending, PromptFinished)
    assert list(ending.node_errors) == ["1"]
    assert ending.node_errors["1"]["errors"][0]["details"] == "vae"
    assert [event.node for event in reader.events if isinstance(event, NodeOutput)] == ["7"]


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
