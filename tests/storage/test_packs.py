"""Packs, their versions and commits, from whatever lies in their folders."""

import os
import subprocess
from pathlib import Path

import pytest

from storage.packs import packs_in
from wire.catalog import Pack

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PROJECT = '[project]\nname = "x"\nversion = "1.2.3"\n'


def write(root: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def test_a_clone_has_its_commit_wherever_git_keeps_it(tmp_path: Path) -> None:
    pack = tmp_path / "cloned"
    git = ("git", "-C", str(pack), "-c", "user.name=t", "-c", "user.email=t@example.com")
    pack.mkdir()
    for command in (("init", "-q", "-b", "feature/x"), ("commit", "-q", "--allow-empty", "-m", "First")):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()

    assert packs_in([tmp_path]) == (Pack(name="cloned", commit=head),)
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert not (pack / ".git/refs/heads/feature/x").exists()
    assert packs_in([tmp_path]) == (Pack(name="cloned", commit=head),)
    subprocess.run([*git, "checkout", "-q", "--detach"], check=True)
    assert packs_in([tmp_path]) == (Pack(name="cloned", commit=head),)


def test_a_pack_of_the_registry_has_its_version(tmp_path: Path) -> None:
    write(tmp_path / "from-registry", pyproject_dot_toml=PROJECT, _dot_tracking="__init__.py\n")

    assert packs_in([tmp_path]) == (Pack(name="from-registry", version="1.2.3"),)


def test_the_commit_that_the_image_s_build_left_is_read(tmp_path: Path) -> None:
    write(tmp_path / "built", _dot_commit=f"{COMMIT}\n")

    assert packs_in([tmp_path]) == (Pack(name="built", commit=COMMIT),)


def test_only_folders_that_comfyui_loads_are_packs(tmp_path: Path) -> None:
    for name in ("one", "__pycache__", ".hidden", "off.disabled", "long" * 100):
        (tmp_path / "a" / name).mkdir(parents=True, exist_ok=True) if len(name) < 255 else None
    write(tmp_path / "a", single_dot_py="")
    write(tmp_path / "b" / "one", pyproject_dot_toml=PROJECT)

    assert packs_in([tmp_path / "a", tmp_path / "b", tmp_path / "none"]) == (Pack(name="one"),)


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject_dot_toml": "not [ toml"},
        {"pyproject_dot_toml": "project = 5"},
        {"pyproject_dot_toml": "[project]\nversion = 5"},
        {"pyproject_dot_toml": b"\xff\xfe"},
        {"pyproject_dot_toml": "# " + "x" * 300_000 + "\n" + PROJECT},
        {"_dot_git__HEAD": "ref: refs/../../../secret\n", "secret": COMMIT},
        {"_dot_git__HEAD": "ref: refs/heads/gone\n"},
        {"_dot_git__HEAD": "nonsense\n"},
        {"_dot_git__HEAD": "ref: refs/heads/a\n", "_dot_git__refs__heads__a": "-----BEGIN PRIVATE KEY-----"},
        {"_dot_git": "gitdir: /etc\n"},
        {"_dot_commit": "<b>no commit</b>"},
    ],
)
def test_what_cannot_be_read_is_empty(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    write(tmp_path / "odd", **files)

    assert packs_in([tmp_path]) == (Pack(name="odd"),)


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    os.mkfifo(tmp_path / "odd" / "pyproject.toml")

    assert packs_in([tmp_path]) == (Pack(name="odd"),)
