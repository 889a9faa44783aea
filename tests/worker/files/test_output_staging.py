"""Names from outside stay inside, inputs are whole, outputs are named and cut into pieces."""

import hashlib
import itertools
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.events import FileChunk, NodeOutput, Preview
from wire.files import Cached, FileRef, Inline, Streamed, Url, Volume, decode_bytes, encode_bytes
from wire.limits import FILE_CHUNK, INLINE_OUTPUT_MAX, KEPT_MIN
from worker.files.input_cache import InputCache
from worker.files.input_fetch import InputFetch
from worker.files.input_staging import BadInput, FilesLacking, InputSources, InputStaging
from worker.files.output_files import OutputFile, output_files
from worker.files.output_staging import OutputStaging
from worker.folders import Folders, UnsafeName, confined

HOSTILE = [
    ("", ""),
    ("", "."),
    ("", ".."),
    ("", "../x.png"),
    ("", "/etc/passwd"),
    ("", "a/b.png"),
    ("", "..\\x.png"),
    ("", "x\x00.png"),
    ("", "x\n.png"),
    ("", "C:x.png"),
    ("", "n" * 5000),
    ("..", "x.png"),
    ("a/../..", "x.png"),
    ("/etc", "x.png"),
    ("/", "x.png"),
    ("a\\..\\..", "x.png"),
    ("C:\\", "x.png"),
    ("a\x00b", "x.png"),
]


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in everything(folder) if path.is_file()}


def staging(folders: Folders, volume: Path | None = None, room: int = 10**9) -> InputStaging:
    cache = InputCache(folders.data.parent / "cache", room, time.time)
    return InputStaging(folders, InputSources(cache, InputFetch(None, allow_private=False), volume))


def inline(content: bytes, filename: str = "a.png", subfolder: str = "") -> FileRef:
    digest = hashlib.sha256(content).hexdigest()
    return FileRef(
        filename=filename,
        subfolder=subfolder,
        type="input",
        sha256=digest,
        size=len(content),
        source=Inline.of(content),
    )


@pytest.mark.parametrize(("subfolder", "filename"), HOSTILE)
async def test_a_hostile_name_writes_nothing(tmp_path: Path, subfolder: str, filename: str) -> None:
    data = tmp_path / "data"
    folders = Folders(data)
    folders.create()
    before = everything(tmp_path)

    with pytest.raises(BadInput):
        await staging(folders).write([inline(b"x", filename, subfolder)])

    assert everything(tmp_path) == before


@pytest.mark.parametrize("link", ["folder", "file"])
async def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path, link: str) -> None:
    folders = Folders(tmp_path / "data")
    folders.create()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.png").write_bytes(b"before")
    root = folders.root("input")
    (root / "sub").symlink_to(outside) if link == "folder" else (root / "a.png").symlink_to(outside / "a.png")

    with pytest.raises(BadInput):
        await staging(folders).write([inline(b"after", subfolder="sub" if link == "folder" else "")])

    assert (outside / "a.png").read_bytes() == b"before"


async def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "input").symlink_to(tmp_path / "volume")

    await staging(Folders(tmp_path / "data")).write([inline(b"x")])

    assert (tmp_path / "volume" / "a.png").read_bytes() == b"x"


@given(st.text(st.sampled_from("ab./\\~\x00 C:é"), max_size=8), st.text(st.sampled_from("ab./\\~\x00 C:é"), max_size=8))
def test_a_name_is_refused_or_stays_inside(subfolder: str, filename: str) -> None:
    root = Path("/somewhere/not/there")
    try:
        path = confined(root, subfolder, filename)
    except UnsafeName:
        return

    assert path.is_relative_to(root)
    assert path.name == filename


async def test_inputs_are_written_whole_into_their_subfolders(tmp_path: Path) -> None:
    folders = Folders(tmp_path)

    await staging(folders).write([inline(b"one", "ü ß.png", "a/b"), inline(b"two", "c.png")])

    assert files(tmp_path) == {"input/a/b/ü ß.png": b"one", "input/c.png": b"two"}


async def test_a_file_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    await staging(folders).write([inline(b"one")])
    before = (tmp_path / "input" / "a.png").stat()

    await staging(folders).write([inline(b"one")])

    after = (tmp_path / "input" / "a.png").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 4},
        {"sha256": "0" * 64},
        {"source": Inline(data="no base64!")},
        {"source": Url(url="http://127.0.0.1:9/x")},
        {"source": Volume(path="x")},
        {"source": Streamed(transfer=0)},
    ],
    ids=["size", "digest", "base64", "url", "volume", "stream"],
)
async def test_a_file_that_is_not_what_it_says_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=r"a\.png"):
        await staging(Folders(tmp_path)).write([inline(b"one").model_copy(update=wrong)])

    assert files(tmp_path) == {}


BIG = bytes(itertools.islice(itertools.cycle(range(253)), KEPT_MIN + 5))


def held(file: FileRef, **changes: Any) -> FileRef:
    return file.model_copy(update={"source": Cached(), **changes})


async def test_a_file_that_came_once_need_only_be_named(tmp_path: Path) -> None:
    folders, file = Folders(tmp_path / "data"), inline(BIG)
    kept = await staging(folders).write([file])
    (folders.root("input") / "a.png").unlink()
    named = held(file, filename="other.png", subfolder="sub")
    await staging(folders).check([named])
    await staging(folders).write([named])

    assert kept == (file.sha256,)
    assert files(folders.data) == {"input/sub/other.png": BIG}


async def test_small_files_are_not_kept(tmp_path: Path) -> None:
    assert await staging(Folders(tmp_path / "data")).write([inline(BIG[: KEPT_MIN - 1])]) == ()
    assert files(tmp_path / "cache") == {}


async def test_what_is_missing_is_said_precisely_and_nothing_is_written(tmp_path: Path) -> None:
    folders, here, gone = Folders(tmp_path / "data"), inline(BIG), held(inline(BIG + b"x"))
    await staging(folders).write([here])
    (folders.root("input") / "a.png").unlink()
    for ask in (staging(folders).check, staging(folders).write):
        with pytest.raises(FilesLacking) as caught:
            await ask([held(here, filename="b.png"), gone])

        assert caught.value.sha256 == (gone.sha256,)
    assert not (folders.root("input") / "a.png").exists()


async def test_a_file_that_comes_once_may_be_named_twice_in_one_job(tmp_path: Path) -> None:
    folders, file = Folders(tmp_path / "data"), inline(BIG)
    both = [held(file, filename="b.png"), file]
    await staging(folders).check(both)
    await staging(folders).write(both)

    assert files(folders.data) == {"input/a.png": BIG, "input/b.png": BIG}


async def test_a_damaged_file_counts_as_missing(tmp_path: Path) -> None:
    folders, file = Folders(tmp_path / "data"), inline(BIG)
    await staging(folders).write([file])
    (tmp_path / "cache" / file.sha256).write_bytes(BIG[:-1] + b"?")

    with pytest.raises(FilesLacking):
        await staging(folders).check([held(file)])
    assert files(tmp_path / "cache") == {}


async def test_the_cache_lets_go_of_what_was_not_used_for_longest(tmp_path: Path) -> None:
    cache = InputCache(tmp_path, 2 * len(BIG) + 2, iter(range(1000, 10**6)).__next__)
    names = []
    for number in range(3):
        content = BIG + bytes([number])
        names.append(hashlib.sha256(content).hexdigest())
        with cache.part() as part:
            part.write_bytes(content)
            cache.keep(part, names[-1], len(content))
        if number:
            assert cache.find(names[0], len(BIG) + 1)
    cache.thin_out()

    assert cache.kept(names) == (names[0], names[2])
    assert sorted(files(tmp_path)) == sorted((names[0], names[2]))


async def test_the_time_of_writing_stays_so_that_loaders_can_cache_by_it(tmp_path: Path) -> None:
    folders, file = Folders(tmp_path / "data"), inline(BIG)
    times = []
    for _ in range(2):
        await staging(folders).write([file])
        times.append((folders.root("input") / "a.png").stat().st_mtime_ns)
        (folders.root("input") / "a.png").unlink()

    assert times[0] == times[1]


async def test_a_file_on_the_volume_is_checked_and_used(tmp_path: Path) -> None:
    folders, volume = Folders(tmp_path / "data"), tmp_path / "volume"
    (volume / "some").mkdir(parents=True)
    (volume / "some" / "file").write_bytes(BIG)
    file = inline(BIG).model_copy(update={"source": Volume(path="some/file")})
    await staging(folders, volume).write([file])

    assert files(folders.data) == {"input/a.png": BIG}
    for path in ("../data/input/a.png", "/etc/hostname", "some/none"):
        with pytest.raises(BadInput):
            await staging(folders, volume).write(
                [file.model_copy(update={"source": Volume(path=path), "filename": "b"})]
            )
    with pytest.raises(BadInput, match="announced"):
        (volume / "some" / "file").write_bytes(BIG[:-1])
        await staging(folders, volume).write([file.model_copy(update={"filename": "b"})])


def test_files_are_found_under_any_key() -> None:
    output = {
        "images": [{"filename": "a.png", "subfolder": "s", "type": "output"}, {"filename": "a.png", "subfolder": "s"}],
        "gifs": [{"filename": "v.mp4", "type": "temp", "format": "video/h264-mp4", "frame_rate": 8.0}],
        "anything": {"filename": "x.bin"},
        "result": ["mesh/m_00001_.GLB", None, "no file"],
        "text": ["a.png", "mesh/m.glb"],
        "deep": {"er": [{"filename": "d.bin", "type": "output"}], "n": 3},
        "animated": [True],
        "local": [{"filename": "in.png", "type": "input"}, {"filename": 3}, {"filename": "b", "subfolder": 3}],
    }

    assert output_files(output) == (
        OutputFile("output", "s", "a.png"),
        OutputFile("temp", "", "v.mp4"),
        OutputFile("output", "", "x.bin"),
        OutputFile("output", "mesh", "m_00001_.GLB"),
        OutputFile("output", "", "d.bin"),
    )


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


@pytest.mark.parametrize("name", ["missing.png", "../../secret", "link.png"])
async def test_what_is_not_there_or_not_ours_is_not_sent(tmp_path: Path, name: str) -> None:
    folders = Folders(tmp_path / "data")
    folders.create()
    (tmp_path / "secret").write_bytes(b"secret")
    (folders.root("output") / "link.png").symlink_to(tmp_path / "secret")

    chunks, event = await outgoing(folders, name)

    assert chunks == []
    assert event.files == ()
    assert event.output == {"images": [{"filename": name, "subfolder": "", "type": "output"}]}


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
