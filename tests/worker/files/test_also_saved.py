"""What a prompt saves without announcing it is sent like what it announces."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from wire.events import FileChunk, FilesSaved, NodeOutput
from wire.files import FileRef, Inline, Streamed, decode_bytes
from wire.limits import BATCH_TARGET, INLINE_OUTPUT_MAX
from worker.events.coalescer import encoded
from worker.files.also_saved import FILES_MAX, AlsoSaved
from worker.files.output_staging import OutputStaging
from worker.folders import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "data")
    made.create()
    return made


async def looked(folders: Folders, workflow: dict[str, Any] | None = None, *staged: FileRef) -> AlsoSaved:
    also_saved = AlsoSaved("p", folders, workflow or {}, staged)
    await also_saved.look()
    return also_saved


async def sent(also_saved: AlsoSaved, outputs: OutputStaging) -> tuple[list[FileChunk], list[FilesSaved]]:
    events = [event async for event in also_saved.events(outputs)]
    chunks = [event for event in events if isinstance(event, FileChunk)]
    return chunks, [event for event in events if isinstance(event, FilesSaved)]


async def test_small_files_travel_inside_the_event_and_large_ones_in_chunks(folders: Folders) -> None:
    also_saved, large = await looked(folders), bytes(range(256)) * 4096
    (folders.root("output") / "large.bin").write_bytes(large)
    (folders.root("output") / "small.txt").write_bytes(b"paid")
    chunks, (event,) = await sent(also_saved, OutputStaging(folders))

    first, second = event.files
    assert (first.filename, first.source) == ("large.bin", Streamed(transfer=0))
    assert b"".join(decode_bytes(chunk.data) for chunk in chunks) == large
    assert isinstance(second.source, Inline)
    assert second.source.content() == b"paid"


async def test_a_file_that_an_output_has_named_is_not_sent_twice(folders: Folders) -> None:
    also_saved, outputs = await looked(folders), OutputStaging(folders)
    for name in ("named.png", "side.png", "unnamed.png"):
        (folders.root("output") / name).write_bytes(b"x")
    item = {"filename": "named.png", "subfolder": "", "type": "output", "workflow": "side.png"}
    announced = [event async for event in outputs.outgoing(NodeOutput(node="1", output={"gifs": [item]}))]
    _, (event,) = await sent(also_saved, outputs)

    (output,) = announced
    assert isinstance(output, NodeOutput)
    assert [file.filename for file in output.files] == ["named.png", "side.png"]
    assert [file.filename for file in event.files] == ["unnamed.png"]


async def test_a_file_that_is_written_again_after_it_was_announced_is_sent_as_it_is_at_the_end(
    folders: Folders,
) -> None:
    also_saved, outputs = await looked(folders), OutputStaging(folders)
    path = folders.root("output") / "log.txt"
    path.write_bytes(b"one")
    item = {"filename": "log.txt", "subfolder": "", "type": "output"}
    async for _ in outputs.outgoing(NodeOutput(node="1", output={"text": [item]})):
        path.write_bytes(b"one two")
    _, (event,) = await sent(also_saved, outputs)

    assert [file.source.content() for file in event.files if isinstance(file.source, Inline)] == [b"one two"]


async def test_a_second_question_and_one_without_a_look_before_find_nothing(folders: Folders) -> None:
    also_saved, outputs = await looked(folders), OutputStaging(folders)
    (folders.root("output") / "x.txt").write_bytes(b"x")
    first = await sent(also_saved, outputs)

    assert len(first[1]) == 1
    assert await sent(also_saved, outputs) == ([], [])
    assert await sent(AlsoSaved("p", folders, {}, ()), outputs) == ([], [])


async def test_many_files_are_sent_in_events_that_fit_and_the_rest_is_counted(folders: Folders) -> None:
    also_saved = await looked(folders)
    deep = folders.root("output") / ("\x01" * 200) / ("ä" * 100)
    deep.mkdir(parents=True)
    for number in range(FILES_MAX + 7):
        (deep / f"{number:04}{'\x02' * 240}.bin").write_bytes(bytes(INLINE_OUTPUT_MAX if number < 5 else 10))
    _, events = await sent(also_saved, OutputStaging(folders))

    names = [file.filename for event in events for file in event.files]
    assert len(names) == len(set(names)) == FILES_MAX
    assert [event.left_out for event in events if event.left_out] == [7]
    assert all(encoded(0, event)[1] <= BATCH_TARGET for event in events)
    assert json.loads(json.dumps(encoded(0, events[0])[0]))["files"][0]["filename"] == names[0]


async def test_what_cannot_be_sent_is_counted(folders: Folders) -> None:
    also_saved = await looked(folders)
    (Path(str(folders.root("output"))) / "bad\udcff.txt").write_bytes(b"x")
    unnamed = "x" * 250
    (folders.root("output") / unnamed / unnamed / unnamed / unnamed).mkdir(parents=True)
    (folders.root("output") / unnamed / unnamed / unnamed / unnamed / "far.txt").write_bytes(b"x")
    _, (event,) = await sent(also_saved, OutputStaging(folders))

    assert event == FilesSaved(left_out=2)


async def test_an_input_of_the_job_is_none_of_its_results_also_when_a_node_writes_it_anew(folders: Folders) -> None:
    digest = hashlib.sha256(b"mine").hexdigest()
    mine = FileRef(filename="a.png", subfolder="s", type="input", sha256=digest, size=4, source=Inline.of(b"mine"))
    odd = mine.model_copy(update={"subfolder": "../.."})
    also_saved = await looked(folders, None, mine, odd)
    (folders.root("input") / "s").mkdir()
    (folders.root("input") / "s" / "a.png").write_bytes(b"theirs")

    assert await sent(also_saved, OutputStaging(folders)) == ([], [])


async def test_too_much_to_compare_is_said_in_the_log_and_ends_nothing(
    folders: Folders, caplog: pytest.LogCaptureFixture
) -> None:
    (folders.root("output") / "x.txt").write_bytes(b"x")
    seconds = iter(range(0, 1000, 10))
    also_saved = AlsoSaved("p", folders, {}, (), clock=lambda: next(seconds))
    await also_saved.look()

    assert await sent(also_saved, OutputStaging(folders)) == ([], [])
    assert "p: unannounced files are not looked for" in caplog.text


async def test_what_lies_outside_is_named(folders: Folders, tmp_path: Path) -> None:
    place = tmp_path / "foo"
    also_saved = await looked(folders, {"1": {"class_type": "Image Save", "inputs": {"output_path": str(place)}}})
    place.mkdir()
    (place / "x.png").write_bytes(b"x")

    assert await sent(also_saved, OutputStaging(folders)) == ([], [FilesSaved(elsewhere=(str(place),))])
