"""Input files that need not be sent again."""

import hashlib
import os
from pathlib import Path

import pytest

from wire.errors import WireError
from worker.files.input_cache import InputCache

NOW = 1_000_000.0


class Clock:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        self.now += 1
        return self.now


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(cache: InputCache, content: bytes) -> str:
    with cache.part() as part:
        part.write_bytes(content)
        cache.keep(part, sha256(content), len(content))
    return sha256(content)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_found_by_its_content(tmp_path: Path) -> None:
    cache = InputCache(tmp_path, 100, Clock())
    name = put(cache, b"content")

    found = cache.find(name, 7)

    assert found is not None
    assert found.read_bytes() == b"content"
    assert cache.has(name)


def test_an_unknown_file_is_not_found(tmp_path: Path) -> None:
    cache = InputCache(tmp_path / "not-there-yet", 100, Clock())

    assert cache.find(sha256(b"x"), 1) is None
    assert not cache.has(sha256(b"x"))
    assert cache.kept([sha256(b"x")]) == ()


@pytest.mark.parametrize("damaged", [b"contenT", b"cont"])
def test_a_damaged_file_is_removed_and_not_found(tmp_path: Path, damaged: bytes) -> None:
    cache = InputCache(tmp_path, 100, Clock())
    name = put(cache, b"content")
    (tmp_path / name).write_bytes(damaged)

    assert cache.find(name, 7) is None
    assert names(tmp_path) == set()


def test_a_part_that_is_not_what_was_announced_leaves_nothing(tmp_path: Path) -> None:
    cache = InputCache(tmp_path, 100, Clock())
    with pytest.raises(WireError, match="differ"), cache.part() as part:
        part.write_bytes(b"another")
        cache.keep(part, sha256(b"content"), 7)

    assert names(tmp_path) == set()


def test_a_kept_file_can_be_read_by_the_user_that_comfyui_runs_as(tmp_path: Path) -> None:
    name = put(InputCache(tmp_path, 100, Clock()), b"content")

    assert (tmp_path / name).stat().st_mode & 0o777 == 0o644


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = InputCache(tmp_path, 20, Clock())
    first, second = put(cache, b"a" * 10), put(cache, b"b" * 10)
    cache.find(first, 10)
    third = put(cache, b"c" * 10)

    cache.thin_out()

    assert names(tmp_path) == {first, third}
    assert cache.kept([first, second, third, first]) == (first, third)


def test_use_does_not_change_the_time_of_writing_by_which_loaders_cache(tmp_path: Path) -> None:
    cache = InputCache(tmp_path, 100, Clock())
    name = put(cache, b"content")
    before = (tmp_path / name).stat()

    cache.find(name, 7)

    after = (tmp_path / name).stat()
    assert after.st_mtime_ns == before.st_mtime_ns
    assert after.st_atime > before.st_atime


def test_parts_that_a_killed_worker_left_go_after_a_day_and_foreign_files_stay(tmp_path: Path) -> None:
    old, young, foreign = (tmp_path / name for name in (".part-old", ".part-young", "README"))
    for path, age_s in ((old, 90_000), (young, 60), (foreign, 10**7)):
        path.write_bytes(b"x" * 1000)
        os.utime(path, (NOW - age_s, NOW - age_s))

    InputCache(tmp_path, 10, Clock()).thin_out()

    assert names(tmp_path) == {".part-young", "README"}
