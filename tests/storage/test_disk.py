"""What a failed file operation means."""

import errno
import os
import resource
from pathlib import Path

import pytest

from storage.disk import DiskUnavailable, is_passing, require_room, unavailable, writing
from tests.support.disks import foreign_folder, make_read_only, small_disk
from wire.errors import Unavailable

WAIT = [
    "ENOSPC",
    "EDQUOT",
    "EROFS",
    "EACCES",
    "EPERM",
    "EIO",
    "EMFILE",
    "ENFILE",
    "ESTALE",
    "EBUSY",
    "EFBIG",
    "ENOTCONN",
]
OTHER_NAME = ["ENAMETOOLONG", "ENOTDIR", "EISDIR", "EEXIST", "EINVAL", "EILSEQ", "ELOOP", "ENOENT"]


@pytest.mark.parametrize("name", WAIT)
def test_a_full_denied_or_broken_disk_passes(name: str) -> None:
    assert is_passing(OSError(getattr(errno, name), os.strerror(getattr(errno, name))))


@pytest.mark.parametrize("name", OTHER_NAME)
def test_a_name_that_cannot_be_does_not_pass(name: str) -> None:
    assert not is_passing(OSError(getattr(errno, name), os.strerror(getattr(errno, name))))


@pytest.mark.parametrize(
    ("code", "number", "passes"),
    [
        (5, errno.EACCES, True),  # access denied
        (32, errno.EACCES, True),  # a program has the file open
        (39, errno.EINVAL, True),  # the disk is full
        (112, errno.ENOSPC, True),
        (1295, errno.EINVAL, True),  # over quota
        (64, errno.ENOENT, True),  # the network name is gone
        (123, errno.EINVAL, False),  # not a legal name
        (206, errno.ENOENT, False),  # the name is too long
        (267, errno.ENOTDIR, False),
        (183, errno.EEXIST, False),
        (3, errno.ENOENT, False),  # no such path
    ],
)
def test_windows_own_codes_count_before_what_they_are_translated_to(code: int, number: int, passes: bool) -> None:
    error = OSError(number, "as Windows says it")
    error.winerror = code  # type: ignore[attr-defined, unused-ignore]

    assert is_passing(error) is passes


def test_the_path_is_named_and_it_is_worth_another_try() -> None:
    error = unavailable(Path("/some/where"), OSError(errno.ENOSPC, "No space left on device"))

    assert str(error) == "cannot write /some/where: No space left on device"
    assert isinstance(error, Unavailable)


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, pytest.raises(DiskUnavailable, match="No space"), writing(disk / "x"):
        (disk / "x").write_bytes(bytes(2 * 1024 * 1024))


def test_a_read_only_disk_is_reported(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        make_read_only(disk)
        with pytest.raises(DiskUnavailable, match="Read-only"), writing(disk / "x"):
            (disk / "x").touch()


def test_a_folder_of_another_user_is_reported() -> None:
    with foreign_folder() as folder, pytest.raises(DiskUnavailable, match="Permission"), writing(folder / "x"):
        (folder / "x").touch()


def test_too_many_open_files_is_reported(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(DiskUnavailable, match="Too many open files"), writing(tmp_path / "x"):
            (tmp_path / "x").touch()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_may_not_fill_the_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "10m") as disk:
        require_room(disk, 9_000_000)
        for size in (11_000_000, 10_485_760):
            with pytest.raises(DiskUnavailable, match="nearly full"):
                require_room(disk, size)
