"""docker/install_requirements.py with a real uv and wheels of this machine: one resolution, and who does not fit."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SCRIPT = PROJECT / "docker" / "install_requirements.py"


def wheel(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)


@pytest.fixture
def bed(tmp_path: Path) -> Path:
    """Packages in two versions each, and an environment with a pinned ``core`` and a ``loose`` that ComfyUI wants."""
    (tmp_path / "wheels").mkdir()
    for name in ("core", "loose", "extra", "more"):
        for version in ("1.0", "2.0"):
            wheel(tmp_path / "wheels", name, version)
    (tmp_path / "nodes").mkdir()
    (tmp_path / "constraints.txt").write_text("core==1.0\n")
    (tmp_path / "comfyui.txt").write_text("loose\n")
    uv(tmp_path, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    uv(tmp_path, "pip", "install", "--quiet", "core==1.0", "loose==2.0")
    return tmp_path


def environ(bed: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    ours = {"VIRTUAL_ENV": str(bed / "venv"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    offline = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(bed / "wheels"), "UV_CACHE_DIR": str(bed / "cache")}
    return {**kept, **ours, **offline, "UV_NO_CONFIG": "1", "UV_LINK_MODE": "copy"}


def uv(bed: Path, *arguments: str) -> str:
    command = [str(Path(sys.executable).parent / "uv"), *arguments]
    return subprocess.run(command, env=environ(bed), capture_output=True, text=True, check=True).stdout


def node(bed: Path, name: str, requirements: str | None) -> None:
    folder = bed / "nodes" / name
    folder.mkdir()
    if requirements is not None:
        (folder / "requirements.txt").write_text(requirements)


def install(bed: Path) -> "subprocess.CompletedProcess[str]":
    base = ("-c", str(bed / "constraints.txt"), "-r", str(bed / "comfyui.txt"))
    command = [sys.executable, str(SCRIPT), str(bed / "nodes"), *base]
    return subprocess.run(command, env=environ(bed), capture_output=True, text=True, check=False, timeout=150)


def installed(bed: Path) -> list[str]:
    return uv(bed, "pip", "freeze").split()


def test_all_requirements_are_installed_in_one_resolution(bed: Path) -> None:
    node(bed, "any-extra", "extra\n")
    node(bed, "old-extra", "extra<2\n")
    node(bed, "other", "core\nmore\n")
    node(bed, "empty", "")
    node(bed, "without", None)
    done = install(bed)

    assert done.returncode == 0, done.stderr
    assert installed(bed) == ["core==1.0", "extra==1.0", "loose==2.0", "more==2.0"]
    assert "requirements of any-extra, old-extra, other" in done.stdout


def test_a_node_that_cannot_be_installed_fails_the_build_with_its_name(bed: Path) -> None:
    node(bed, "good", "more\n")
    node(bed, "wants-another-core", "core>=2\n")
    node(bed, "wants-nothing-that-exists", "no-such-package\n")
    done = install(bed)

    assert done.returncode == 1
    assert "wants-another-core: cannot be installed here" in done.stderr
    assert "wants-nothing-that-exists: cannot be installed here" in done.stderr
    assert "good:" not in done.stderr
    assert installed(bed) == ["core==1.0", "loose==2.0"]


def test_two_nodes_that_do_not_fit_together_are_both_named(bed: Path) -> None:
    node(bed, "a-good", "more\n")
    node(bed, "b-old", "extra<2\n")
    node(bed, "c-new", "extra>=2\n")
    done = install(bed)

    assert done.returncode == 1
    assert "c-new: conflicts with b-old" in done.stderr
    assert installed(bed) == ["core==1.0", "loose==2.0"]


def test_a_node_may_want_an_older_version_of_what_is_not_pinned(bed: Path) -> None:
    node(bed, "old-loose", "loose<2\n")
    done = install(bed)

    assert done.returncode == 0, done.stderr
    assert installed(bed) == ["core==1.0", "loose==1.0"]


def test_nodes_without_requirements_need_nothing(bed: Path) -> None:
    node(bed, "plain", None)
    done = install(bed)

    assert (done.returncode, done.stdout) == (0, "no custom node has requirements\n")


def test_no_failure_is_hidden_in_the_build() -> None:
    dockerfile = (PROJECT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    hidden = re.findall(r"-exec [^\n]*(?:install|python)[^\n]*\\;", dockerfile)

    assert not hidden
    assert "python /install/install_requirements.py /nodes -c /requirements/constraints.txt" in dockerfile
