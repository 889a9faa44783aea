"""Output files are sent in pieces or inside their event, and what cannot be sent is named."""

import hashlib
import itertools
import json
from pathlib import Path

import pytest

from tests.support.names import ACCEPTED
from wire.batch import decode_batch, encode_batch, encode_event
from wire.events import FileChunk, NodeOutput, Preview
from wire.files import Inline, Streamed, Wanted, decode_bytes, encode_bytes
from wire.limits import FILE_CHUNK, INLINE_OUTPUT_MAX
from worker.files.output_staging import OutputStaging
from worker.folders import Folders


async def outgoing(folders: Folders, *names: str) -> tuple[list[FileChunk], NodeOutput]:
    output = {"images": [{"filename": name, "subfolder": "", "type": "output"} for name in names]}
    pieces = [piece async for piece in OutputStaging(folders).outgoing(NodeOutput(node="1", output=output))]
    *chunks, event = pieces
    assert isinstance(event, NodeOutput)
    return [chunk for chunk in chunks if isinstance(chunk, FileChunk)], event


@pytest.mark.parametrize("size", [0, 1, INLINE_OUTPUT_MAX, INLINE_OUTPUT_MAX + 1, FILE_CHUNK, 2 * FILE_CHUNK + 1])
async def test_an_output_arrives_as_it_was(tmp_path: Path, size: int) -> None:
    folders = Folders(tmp_path)
    folders.create()
    content = bytes(itertools.islice(itertools.cycle(range(251)), size))
    (folders.root("output") / "a.bin").write_bytes(content)

    chunks, event = await outgoing(folders, "a.bin")

    (file,) = event.files
    assert (file.size, file.sha256) == (size, hashlib.sha256(content).hexdigest())
    if size <= INLINE_OUTPUT_MAX:
        assert isinstance(file.source, Inline)
        assert file.source.content() == content
        assert not chunks
    else:
        assert file.source == Streamed(transfer=0)
        assert b"".join(decode_bytes(chunk.data) for chunk in chunks) == content


async def test_many_small_files_do_not_make_one_large_event(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    folders.create()
    names = [f"{number}.bin" for number in range(9)]
    for name in names:
        (folders.root("output") / name).write_bytes(bytes(INLINE_OUTPUT_MAX))

    chunks, event = await outgoing(folders, *names)

    transfers = [file.source.transfer for file in event.files if isinstance(file.source, Streamed)]
    assert [isinstance(file.source, Inline) for file in event.files] == [True] * 3 + [False] * 6
    assert sorted({chunk.transfer for chunk in chunks}) == transfers == list(range(6))


ODD = ["clips\\x_00001_.png", "x\t.png", "x\n.png", "C:x.png", " ", "\u202egnp.exe"]


@pytest.mark.parametrize("name", [*(path for path in ACCEPTED if len(path.encode()) <= 255), *ODD], ids=ascii)
async def test_an_output_is_sent_whatever_comfyui_has_called_it(tmp_path: Path, name: str) -> None:
    folders = Folders(tmp_path)
    folders.create()
    path = folders.root("output") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"paid")

    _, event = await outgoing(folders, name)
    (file,) = event.files
    wanted = Wanted(filename=name, type="output", sha256=file.sha256, start=1)
    again = [piece async for piece in OutputStaging(folders).again(wanted, 0)]
    received = decode_batch(json.loads(json.dumps(encode_batch("run", 0, [encode_event(0, event)]))))

    assert received.events[0].event == event
    assert isinstance(file.source, Inline)
    assert (file.filename, file.source.content()) == (name, b"paid")
    assert b"".join(decode_bytes(chunk.data) for chunk in again) == b"aid"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.png", "it is not on the worker"),
        ("../../secret", "ComfyUI named it, but"),
        ("link.png", "ComfyUI named it, but"),
        ("folder", "The worker cannot read it: Is a directory"),
    ],
)
async def test_a_file_that_cannot_be_sent_is_said_to_be_missing_and_why(tmp_path: Path, name: str, reason: str) -> None:
    folders = Folders(tmp_path / "data")
    folders.create()
    (tmp_path / "secret").write_bytes(b"secret")
    (folders.root("output") / "link.png").symlink_to(tmp_path / "secret")
    (folders.root("output") / "folder").mkdir()
    (folders.root("output") / "here.png").write_bytes(b"here")

    chunks, event = await outgoing(folders, name, "here.png")

    assert chunks == []
    assert [file.filename for file in event.files] == ["here.png"]
    (missing,) = event.missing
    assert (missing.filename, missing.subfolder, missing.type) == (name, "", "output")
    assert reason in missing.reason
    assert event.output is not None
    assert event.output["images"][0] == {"filename": name, "subfolder": "", "type": "output"}


async def test_what_only_looks_like_a_result_is_not_missing(tmp_path: Path) -> None:
    output = {
        "result": ["3d/chosen_by_the_person.glb"],
        "settings": {"filename": "model.safetensors", "strength": 1},
        "images": [{"filename": "", "subfolder": "", "type": "output"}],
    }

    (event,) = [piece async for piece in OutputStaging(Folders(tmp_path)).outgoing(NodeOutput(node="1", output=output))]

    assert isinstance(event, NodeOutput)
    assert event.missing == ()
    assert event.files == ()


@pytest.mark.parametrize("size", [1, INLINE_OUTPUT_MAX - 2, INLINE_OUTPUT_MAX + 2, FILE_CHUNK, 2 * FILE_CHUNK + 1])
def test_a_large_picture_of_a_preview_travels_in_chunks(tmp_path: Path, size: int) -> None:
    content = bytes(itertools.islice(itertools.cycle(range(251)), size))
    event = Preview(node="1", image_type="image/png", data=encode_bytes(content))
    *chunks, last = OutputStaging(Folders(tmp_path)).split(event)
    pieces = [chunk for chunk in chunks if isinstance(chunk, FileChunk)]

    assert isinstance(last, Preview)
    assert len(pieces) == len(chunks) == (0 if size <= INLINE_OUTPUT_MAX else -(-size // FILE_CHUNK))
    assert b"".join(decode_bytes(part) for part in (*(chunk.data for chunk in pieces), last.data)) == content
    assert [chunk.offset for chunk in pieces] == list(range(0, size, FILE_CHUNK))[: len(pieces)]
    assert last.transfer == (0 if pieces else None)
