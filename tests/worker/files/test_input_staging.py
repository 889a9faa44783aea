"""A job's input files: they are written whole, where ComfyUI looks for them, and nowhere else."""

import hashlib
import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.names import REFUSED
from wire.files import Cached, FileRef, Inline, Source, Streamed, Url, Volume
from wire.job import JobRequest
from wire.limits import KEPT_MIN
from wire.texts import TEXTS_BYTES_MAX, EmbeddedText, encode_text
from worker.files.input_cache import InputCache
from worker.files.input_fetch import InputFetch
from worker.files.input_staging import BadInput, InputsMissing, InputSources, InputStaging
from worker.folders import Folders

HOSTILE = [
    *(path.rpartition("/")[::2] for path in REFUSED),
    *(("", "a/b.png"), ("", "n" * 5000), ("/", "x.png"), ("C:\\", "x.png")),
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


@pytest.mark.parametrize(("subfolder", "filename"), HOSTILE, ids=ascii)
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
        with pytest.raises(InputsMissing) as caught:
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

    with pytest.raises(InputsMissing):
        await staging(folders).check([held(file)])
    assert files(tmp_path / "cache") == {}


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


def embedded(text: str, source: Source | None = None) -> EmbeddedText:
    content = encode_text(text)
    digest, places = hashlib.sha256(content).hexdigest(), (("workflow", "1", "inputs", "image"),)
    return EmbeddedText(sha256=digest, size=len(content), source=source or Inline.of(content), places=places)


def with_text(text: EmbeddedText) -> JobRequest:
    return JobRequest(workflow={"1": {"inputs": {"image": "", "seed": 5}}}, texts=(text,))


async def test_a_long_text_is_put_back_and_kept_for_the_next_job(tmp_path: Path) -> None:
    picture = "data:" + "A" * KEPT_MIN
    folders = Folders(tmp_path / "data")
    first, second = staging(folders), staging(folders)
    text = embedded(picture)
    whole = await first.completed(with_text(text))
    kept = await first.write((), whole.texts)
    named = embedded(picture, Cached())
    await second.check((), (named,))

    assert whole.workflow == {"1": {"inputs": {"image": picture, "seed": 5}}}
    assert kept == (text.sha256,)
    assert (await second.completed(with_text(named))).workflow == whole.workflow


async def test_a_text_that_was_only_named_and_is_not_here_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputsMissing):
        await staging(Folders(tmp_path / "data")).check((), (embedded("A" * KEPT_MIN, Cached()),))


@pytest.mark.parametrize(
    "changes", [{"sha256": "0" * 64}, {"size": 4}, {"places": (("files", 0),)}, {"source": Inline.of(b"\xff")}], ids=str
)
async def test_a_text_that_is_not_what_was_announced_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    text = embedded("hello").model_copy(update=changes)

    with pytest.raises(BadInput):
        await staging(Folders(tmp_path / "data")).completed(with_text(text))


async def test_more_bytes_of_texts_than_a_worker_takes_are_refused_before_they_are_fetched(tmp_path: Path) -> None:
    text = embedded("hello").model_copy(update={"size": TEXTS_BYTES_MAX + 1, "source": Url(url="http://127.0.0.1:1/x")})

    with pytest.raises(BadInput, match="more than"):
        await staging(Folders(tmp_path / "data")).check((), (text,))
