"""The worker as a whole: what RunPod's SDK gets, and which settings reach which part."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import FAKE, Reader, make_app, save
from wire.events import FilesKept, NodeOutput, PromptFinished
from wire.files import FileRef, Inline, Volume, input_key
from wire.limits import KEPT_MIN, STORED_OUTPUT_MIN
from worker.app import App


@pytest.mark.parametrize(("stream", "name"), [(True, "stream"), (False, "once")])
def test_the_sdk_gets_the_handler_of_the_setting(tmp_path: Path, *, stream: bool, name: str) -> None:
    app = make_app(FAKE, tmp_path, worker_stream=stream)

    assert app.sdk_config["handler"].__name__ == name
    assert app.sdk_config["return_aggregate_stream"] is True
    assert callable(app.sdk_config["concurrency_modifier"])


def test_a_worker_that_must_be_replaced_says_so_in_the_sdks_configuration(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path)

    app.shutdown.replace_worker("the GPU is lost")

    assert app.sdk_config["refresh_worker"] is True


def test_each_job_has_a_run_of_its_own(tmp_path: Path) -> None:
    app = make_app(FAKE, tmp_path)

    assert app.open_session({}) is not app.open_session({})


CONTENT = b"x" * KEPT_MIN
SHA256 = hashlib.sha256(CONTENT).hexdigest()
INPUT = FileRef(filename="a.bin", type="input", sha256=SHA256, size=len(CONTENT), source=Inline.of(CONTENT))


async def run(app: App, workflow: dict[str, Any], **more: Any) -> Reader:
    app.start()
    try:
        reader = Reader(app, workflow, files=[INPUT.model_dump()], **more)
        await reader.task
    finally:
        app.stop()
    return reader


async def test_on_a_volume_inputs_are_kept_for_all_workers_and_large_outputs_are_left(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()

    app = make_app(FAKE, tmp_path / "data", volume_dir=volume)
    reader = await run(app, {"7": save(STORED_OUTPUT_MIN)}, fetches=["volume"], prompt_id="p")

    assert FilesKept(sha256=(SHA256,)) in reader.events
    assert (volume / input_key(SHA256)).read_bytes() == CONTENT
    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    assert isinstance(output.files[0].source, Volume)
    assert (volume / output.files[0].source.path).stat().st_size == STORED_OUTPUT_MIN
    assert isinstance(reader.events[-1], PromptFinished)


async def test_without_a_volume_inputs_are_kept_in_the_workers_own_folder(tmp_path: Path) -> None:
    await run(make_app(FAKE, tmp_path / "data", volume_dir=tmp_path / "none"), {"7": save(256)})

    assert (tmp_path / "data" / "input-cache" / SHA256).read_bytes() == CONTENT
