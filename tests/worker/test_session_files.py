"""Jobs whose files are here already, or are not; and outputs of earlier jobs."""

import hashlib

from tests.worker.test_session import Read, queue, save
from wire.events import FileChunk, FilesCollected, FilesKept, FilesMissing, NodeOutput, PromptFinished, WorkerFailed
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
    gone = read({}, collect=[{**wanted, "sha256": "0" * 64}])
    await rest.task
    await gone.task

    *chunks, end = rest.events
    sent = b"".join(decode_bytes(chunk.data) for chunk in chunks if isinstance(chunk, FileChunk))
    assert sent == (bytes(range(256)) * (size // 256))[FILE_CHUNK + 1 :]
    assert chunks[0].offset == FILE_CHUNK + 1  # type: ignore[union-attr]
    assert end == FilesCollected(sha256=(file.sha256,))
    assert isinstance(gone.events[-1], WorkerFailed)
    assert gone.events[-1].error_type == "output_gone"
