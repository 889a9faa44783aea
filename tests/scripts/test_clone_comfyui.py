"""scripts/clone-comfyui.sh: which release of ComfyUI it takes, from a repository on this machine."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
_GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that pins v2.0, beside a repository with the releases v1.0, v2.0 and v3.0."""
    project, repository = tmp_path / "project", tmp_path / "ComfyUI.git"
    (project / "scripts").mkdir(parents=True)
    (project / "docker").mkdir()
    shutil.copy(PROJECT / "scripts" / "clone-comfyui.sh", project / "scripts")
    (project / "docker" / "comfyui-version").write_text("v2.0\n")
    repository.mkdir()
    subprocess.run([*_GIT, "init", "-q"], cwd=repository, check=True)
    for version in ("v1.0", "v2.0", "v3.0"):
        (repository / "main.py").write_text(version)
        for command in (("add", "."), ("commit", "-qm", version), ("tag", version)):
            subprocess.run([*_GIT, *command], cwd=repository, check=True)
    return project


def clone(project: Path, *arguments: str) -> tuple[str, str]:
    """What lies there afterwards, and what was said."""
    environment = os.environ | {"COMFYUI_REPOSITORY": (project.parent / "ComfyUI.git").as_uri()}
    command = [str(project / "scripts" / "clone-comfyui.sh"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    return (project / "docker" / "ComfyUI" / "main.py").read_text(), done.stdout


def test_the_release_that_was_tested_is_taken(project: Path) -> None:
    content, said = clone(project)

    assert content == "v2.0"
    assert "tested" not in said
    assert clone(project) == ("v2.0", "ComfyUI v2.0 is in docker/ComfyUI\n")


@pytest.mark.parametrize("wanted", ["v3.0", "3.0"])
def test_any_other_release_is_taken_when_it_is_named(project: Path, wanted: str) -> None:
    clone(project)
    content, said = clone(project, wanted)

    assert content == "v3.0"
    assert "The newest that was tested is v2.0." in said
    assert clone(project)[0] == "v2.0"
