"""Disks that are full, read-only, or another user's: real ones, where this machine lets a test make them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NOBODY = 65534


@contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    """*folder* as a file system of its own, of *size* bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """The file system *folder*, which :func:`small_disk` has made."""
    _mount("-o", "remount,ro", str(folder))


def _mount(*arguments: str) -> None:
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here")
    done = subprocess.run(["mount", *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this user may not mount a file system: {done.stderr.strip()}")


@contextmanager
def foreign_folder() -> Iterator[Path]:
    """An empty folder that belongs to somebody else and cannot be written, while the block runs as another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    (root / "foreign").mkdir(mode=0o755)
    (root / "own").mkdir()
    os.chown(root / "own", _NOBODY, _NOBODY)
    os.seteuid(_NOBODY)
    try:
        yield root / "foreign"
    finally:
        os.seteuid(0)
        shutil.rmtree(root)


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """An empty folder that every user can enter; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_LOOK = (
    'for path; do { if [ -d "$path" ]; then ls -- "$path"; else cat -- "$path"; fi; } >&2 && echo "$path"; done; exit 0'
)


def seen_by_another_user(top: Path) -> list[str]:
    """What of *top* and everything below it another user, who knows all names, can list or read."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    paths = [str(path) for path in (top, *top.rglob("*")) if not path.is_symlink()]
    looked = subprocess.run(
        ["/bin/sh", "-c", _LOOK, "look", *paths],
        user=_NOBODY, group=_NOBODY, extra_groups=(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        check=True,
    )  # fmt: skip
    return looked.stdout.splitlines()
