"""A node that waits for a person, in a job with a letter box on the volume."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.atomic import atomic
from tests.worker.conftest import FAKE, Reader, cancelled, make_app
from wire.events import NodeOutput, PromptFinished
from wire.letters import Letter, box_key, encode_letters
from worker.app import App

NAME = "0f" * 32
ASK = {"5": {"class_type": "Ask", "inputs": {}}}


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("volume")


@pytest.fixture(scope="module")
def app(data: Path, volume: Path) -> Iterator[App]:
    app = make_app(FAKE, data, volume_dir=volume)
    app.start()
    yield app
    app.stop()


def put(volume: Path, reader: Reader, *paths: str, run: str | None = None) -> None:
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
    with atomic(volume / box_key(NAME)) as part:
        part.write_bytes(encode_letters(letters))


async def test_an_answer_in_the_letter_box_reaches_the_node_that_waits(app: App, volume: Path) -> None:
    reader = Reader(app, ASK, letters={"kind": "volume", "path": box_key(NAME)})
    await reader.until(lambda: "node_message" in reader.kinds())
    put(volume, reader, "/chooser/answer?node=5")
    await reader.task

    (output,) = [event for event in reader.events if isinstance(event, NodeOutput)]
    expected = ["/chooser/answer?node=5", "Content-Type=application/json", '{"selected": [2]}']
    assert output.output == {"text": expected}
    assert isinstance(reader.events[-1], PromptFinished)
    assert not (volume / box_key(NAME)).exists()


async def test_a_cancelled_job_leaves_no_letter_box(app: App, volume: Path) -> None:
    reader = Reader(
        app, {**ASK, "6": {"class_type": "Slow", "inputs": {}}}, letters={"kind": "volume", "path": box_key(NAME)}
    )
    await reader.until(lambda: "node_message" in reader.kinds())
    put(volume, reader, "/chooser/answer")
    await reader.until(lambda: "step_progress" in reader.kinds())
    await cancelled(reader)

    await reader.until(lambda: not (volume / box_key(NAME)).exists(), 5)


@pytest.mark.parametrize("box", [{"kind": "volume", "path": "../x"}, {"kind": "url", "url": "http://127.0.0.1:1/x"}, 5])
async def test_a_letter_box_that_cannot_be_used_costs_no_job(app: App, box: object) -> None:
    reader = Reader(app, {"5": {"class_type": "Text", "inputs": {"size": 3}}}, letters=box)
    await reader.task

    assert isinstance(reader.events[-1], PromptFinished)
