"""Jobs whose files are here already, or are not; and outputs of earlier jobs."""

import hashlib

from tests.worker.conftest import Read, queue, save
from wire.events import FileChunk, FilesCollected, FilesKept, FilesMissing, NodeOutput, PromptFinished
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
