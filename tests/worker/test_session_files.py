"""Jobs whose files are here already, or are not; and outputs of earlier jobs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import Read, Reader, queue, save
from wire.events import FileChunk, FilesCollected, FilesKept, FilesMissing, FilesSaved, NodeOutput, PromptFinished
from wire.files import Cached, FileRef, Inline, decode_bytes
from wire.limits import FILE_CHUNK, KEPT_MIN
from worker.app import App


async def test_files_that_are_not_here_end_the_job_before_it_runs_and_those_that_are_do_not(
    read: Read, app: App
) -> None:
    content = b"x" * KEPT_MIN
    file = FileRef(
        filename="kept.bin",
        type="input",
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        source=Inline.of(content),
    )
    named = file.model_copy(update={"source": Cached()}).model_dump()
    readers = []
    for which in (named, file.model_dump(), named):
        readers.append(read({"7": save(512)}, files=[which]))
        await readers[-1].task
    missing, brought, again = readers

    assert missing.events == [FilesMissing(sha256=(file.sha256,))]
    assert FilesKept(sha256=(file.sha256,)) in brought.events
    assert isinstance(again.events[-1], PromptFinished)
    assert not await queue(app)


async def test_an_output_of_an_earlier_job_is_sent_again_from_where_it_was_lost(read: Read) -> None:
    size = 3 * FILE_CHUNK + 256
    first = read({"7": save(size, "again")})
    await first.task
    (file,) = next(event for event in first.events if isinstance(event, NodeOutput)).files
    wanted = {**file.model_dump(include={"filename", "subfolder", "type", "sha256"}), "start": FILE_CHUNK + 1}
    rest = read({}, collect=[wanted])
    await rest.task

    *chunks, end = rest.events
    sent = b"".join(decode_bytes(chunk.data) for chunk in chunks if isinstance(chunk, FileChunk))
    assert sent == (bytes(range(256)) * (size // 256))[FILE_CHUNK + 1 :]
    assert chunks[0].offset == FILE_CHUNK + 1  # type: ignore[union-attr]
    assert end == FilesCollected(sha256=(file.sha256,))


async def test_a_result_that_is_not_there_is_named_beside_those_that_are(read: Read) -> None:
    reader = read({"1": {"class_type": "Claim", "inputs": {"name": "never.png"}}, "7": save(512, "written")})

    await reader.task

    claimed, written = [event for event in reader.events if isinstance(event, NodeOutput)]
    assert [file.filename for file in claimed.missing] == ["never.png"]
    assert [file.filename for file in written.files] == ["written.png"]
    assert isinstance(reader.events[-1], PromptFinished)


async def test_outputs_that_the_worker_does_not_have_do_not_hide_those_that_it_has(read: Read) -> None:
    first = read({"7": save(512, "here")})
    await first.task
    (file,) = next(event for event in first.events if isinstance(event, NodeOutput)).files
    here = {**file.model_dump(include={"filename", "subfolder", "type", "sha256"}), "start": 0}
    changed, gone, outside = (
        {**here, "sha256": "1" * 64},
        {**here, "filename": "gone.png", "sha256": "2" * 64},
        {**here, "filename": "../x.png", "sha256": "3" * 64},
    )
    again = read({}, collect=[changed, gone, here, outside])
    await again.task

    (chunk, end) = again.events
    assert isinstance(chunk, FileChunk)
    assert chunk.transfer == 2
    assert decode_bytes(chunk.data) == bytes(range(256)) * 2
    assert end == FilesCollected(sha256=(file.sha256,), missing=("1" * 64, "2" * 64, "3" * 64))


def leave(name: str, folder: str = "output", **more: Any) -> dict[str, Any]:
    return {"class_type": "Leave", "inputs": {"name": name, "folder": folder, **more}}


def saved_by(reader: Reader) -> FilesSaved:
    """The one such event, which comes before the last."""
    (event,) = [event for event in reader.events if isinstance(event, FilesSaved)]
    assert reader.events[-2] is event
    return event


async def test_a_file_that_no_node_announces_is_sent_before_the_end(read: Read) -> None:
    reader = read({"1": leave("left/quietly.txt"), "2": leave("drawn.png", "input"), "7": save(512, "announced")})
    await reader.task

    event = saved_by(reader)
    assert [(file.type, file.subfolder, file.filename) for file in event.files] == [
        ("output", "left", "quietly.txt"),
        ("input", "", "drawn.png"),
    ]
    assert [file.source.content() for file in event.files if isinstance(file.source, Inline)] == [b"paid", b"paid"]
    assert (event.left_out, event.elsewhere) == (0, ())
    assert isinstance(reader.events[-1], PromptFinished)


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ({"class_type": "Fail", "inputs": {"message": "no"}}, "prompt_failed"),
        ({"class_type": "Vanish", "inputs": {}}, "worker_failed"),
        ({"class_type": "Die", "inputs": {}}, "worker_failed"),
    ],
)
async def test_what_was_saved_before_a_failure_is_sent(read: Read, last: dict[str, Any], kind: str) -> None:
    reader = read({"1": leave(f"before-{last['class_type']}.txt"), "2": last})
    await reader.task

    assert [file.filename for file in saved_by(reader).files] == [f"before-{last['class_type']}.txt"]
    assert reader.events[-1].kind == kind


async def test_a_jobs_own_input_is_not_its_result(read: Read) -> None:
    mine = FileRef(
        filename="mine.txt", type="input", sha256=hashlib.sha256(b"mine").hexdigest(), size=4, source=Inline.of(b"mine")
    )
    reader = read({"1": leave("mine.txt", "input", content="changed")}, files=[mine.model_dump()])
    await reader.task

    assert not [event for event in reader.events if isinstance(event, FilesSaved)]
    assert isinstance(reader.events[-1], PromptFinished)


async def test_a_file_that_was_lost_on_its_way_is_sent_again(read: Read) -> None:
    first = read({"1": leave("lost.txt")})
    await first.task
    (file,) = saved_by(first).files
    again = read({}, collect=[{**file.model_dump(include={"filename", "subfolder", "type", "sha256"}), "start": 0}])
    await again.task

    assert again.events[-1] == FilesCollected(sha256=(file.sha256,))


async def test_a_file_outside_comfyuis_folders_is_named_and_not_sent(read: Read, tmp_path: Path) -> None:
    place = tmp_path / "outside"
    reader = read({"1": leave("", path=str(place / "kept.txt"), output_path=str(place))})
    await reader.task

    event = saved_by(reader)
    assert event.files == ()
    assert set(event.elsewhere) == {str(place), str(place / "kept.txt")}
