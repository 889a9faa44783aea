"""A node that waits for a person, in a job with a letter box on the volume."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.files.letter_boxes import LetterBoxes
from storage.atomic import atomic
from storage.objects import S3Location
from storage.s3 import Bucket
from tests.worker.conftest import FAKE, Reader, cancelled, make_app
from wire.events import NodeOutput, PromptFinished
from wire.files import Url
from wire.ids import PromptId
from wire.letters import Letter, box_key, encode_letters
from worker.app import App

NAME = "0f" * 32
ASK = {"5": {"class_type": "Ask", "inputs": {}}}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("disk")


@pytest.fixture(scope="module")
def app(data: Path, disk: Path) -> Iterator[App]:
    app = make_app(FAKE, data, volume_dir=disk)
    app.start()
    yield app
    app.stop()


def put(disk: Path, reader: Reader, *paths: str, run: str | None = None) -> None:
    """Letters to *paths*, as the proxy writes them by S3."""
    letters = [
        Letter.of(
            id=f"{number:032x}",
            run=reader.run if run is None else run,
            path=path,
            content_type="application/json",
            body=b'{"selected": [2]}',
        )
        for number, path in enumerate(paths)
    ]
    with atomic(disk / box_key(NAME)) as part:
        part.write_bytes(encode_letters(letters))


async def test_an_answer_in_the_letter_box_reaches_the_node_that_waits(app: App, disk: Path) -> None:
    reader = Reader(app, ASK, letters={"kind": "volume", "path": box_key(NAME)})
    await reader.until(lambda: "node_message" in reader.kinds())
    put(disk, reader, "/chooser/answer?node=5")
    await reader.task

    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    expected = ["/chooser/answer?node=5", "Content-Type=application/json", '{"selected": [2]}']
    assert output.output == {"text": expected}
    assert isinstance(reader.events[-1], PromptFinished)
    assert not (disk / box_key(NAME)).exists()


async def test_an_answer_in_a_bucket_reaches_the_node_that_waits(volume: S3Location, tmp_path: Path) -> None:
    """Both ends, with the proxy's own writer."""
    boxes = LetterBoxes(Bucket(volume, tries=2), signed=True, notes=tmp_path / "letters", report=lambda *_: None)
    place = await boxes.place(PromptId("job"))
    assert isinstance(place, Url)
    app = make_app(FAKE, tmp_path / "worker", bucket_endpoint_url=volume.url)
    app.start()
    writing = asyncio.create_task(boxes.run(()))
    try:
        reader = Reader(app, ASK, letters=place.model_dump())
        await reader.until(lambda: "node_message" in reader.kinds())
        kind = "multipart/form-data; boundary=x"
        answer = Letter.of(id="0" * 32, run=reader.run, path="/chooser/answer", content_type=kind, body="ä".encode())
        boxes.post(PromptId("job"), answer)
        await reader.task
    finally:
        app.stop()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    assert output.output == {"text": ["/chooser/answer", f"Content-Type={kind}", "ä"]}


async def test_a_cancelled_job_leaves_no_letter_box(app: App, disk: Path) -> None:
    reader = Reader(
        app, {**ASK, "6": {"class_type": "Slow", "inputs": {}}}, letters={"kind": "volume", "path": box_key(NAME)}
    )
    await reader.until(lambda: "node_message" in reader.kinds())
    put(disk, reader, "/chooser/answer")
    await reader.until(lambda: "step_progress" in reader.kinds())
    await cancelled(reader)

    await reader.until(lambda: not (disk / box_key(NAME)).exists(), 5)


@pytest.mark.parametrize("box", [{"kind": "volume", "path": "../x"}, {"kind": "url", "url": "http://127.0.0.1:1/x"}, 5])
async def test_a_letter_box_that_cannot_be_used_costs_no_job(app: App, box: object) -> None:
    reader = Reader(app, {"5": {"class_type": "Text", "inputs": {"size": 3}}}, letters=box)
    await reader.task

    assert isinstance(reader.events[-1], PromptFinished)
