"""scripts/build.sh and push.sh: which commands they would run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the scripts and nothing else, committed."""
    (tmp_path / "scripts").mkdir()
    for name in ("build.sh", "push.sh", "image.sh"):
        shutil.copy(PROJECT / "scripts" / name, tmp_path / "scripts")
    (tmp_path / "docker" / "ComfyUI").mkdir(parents=True)
    (tmp_path / "docker" / "ComfyUI" / "main.py").touch()
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "All")):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    return tmp_path


def run(project: Path, script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    command = [str(project / "scripts" / script), *arguments]
    return subprocess.run(command, env=clean | environ, capture_output=True, text=True, check=False)


def test_the_build_is_named_and_labelled(project: Path) -> None:
    done = run(project, "build.sh", "--dry-run")
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True
    ).stdout

    assert done.returncode == 0, done.stderr
    assert "--tag curryberto/comfyui-serverless:latest" in done.stdout
    assert f"--build-arg VERSION=1.2.3 --build-arg COMMIT={commit.strip()}" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "environ", "dotenv", "name"),
    [
        (("--tag", "v1", "--registry", "ghcr.io/me", "--image=worker"), {}, "", "ghcr.io/me/worker:v1"),
        ((), {"REGISTRY": "r", "IMAGE": "i", "TAG": "t"}, "", "r/i:t"),
        ((), {"DOCKER_TAG": "env"}, "DOCKER_TAG=file\nDOCKER_IMAGE='quoted'  # why\n", "curryberto/quoted:env"),
    ],
)
def test_the_name_comes_from_options_then_the_environment_then_the_file(
    project: Path, arguments: tuple[str, ...], environ: dict[str, str], dotenv: str, name: str
) -> None:
    (project / ".env").write_text(dotenv)

    assert f"--tag {name} " in run(project, "build.sh", "--dry-run", *arguments, **environ).stdout


def test_nothing_in_the_file_of_settings_is_run(project: Path) -> None:
    (project / ".env").write_text("DOCKER_TAG=$(touch owned)\n")

    done = run(project, "build.sh", "--dry-run")

    assert done.returncode == 1
    assert "no name of an image" in done.stderr
    assert not (project / "owned").exists()


def test_a_comfyui_of_another_release_is_built_and_named(project: Path) -> None:
    checkout = project / "docker" / "ComfyUI"
    (project / "docker" / "comfyui-version").write_text("v2.0\n")
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "All"), ("tag", "v1.0")):
        subprocess.run([*git, *command], cwd=checkout, check=True)

    assert "is v1.0; the newest that was tested is v2.0" in run(project, "build.sh", "--dry-run").stderr
    subprocess.run([*git, "tag", "-d", "v1.0"], cwd=checkout, check=True, capture_output=True)
    subprocess.run([*git, "tag", "v2.0"], cwd=checkout, check=True)
    assert "the newest that was tested" not in run(project, "build.sh", "--dry-run").stderr


def test_a_tree_with_changes_is_warned_about(project: Path) -> None:
    (project / "new.txt").write_text("new")

    done = run(project, "build.sh", "--dry-run")

    assert done.returncode == 0
    assert "not committed" in done.stderr
    assert "-dirty" in done.stdout


def test_a_missing_comfyui_is_cloned_first(project: Path) -> None:
    shutil.rmtree(project / "docker" / "ComfyUI")

    done = run(project, "build.sh", "--dry-run")

    assert done.stdout.startswith("scripts/clone-comfyui.sh")


def test_a_build_without_cache_and_with_more_options(project: Path) -> None:
    done = run(project, "build.sh", "--dry-run", "--no-cache", "--", "--network", "host")

    assert done.stdout.splitlines()[0].rstrip().endswith("--no-cache --network host .")


def test_a_push_under_another_name_is_tagged_first(project: Path) -> None:
    done = run(project, "push.sh", "--dry-run", "--registry", "localhost:5000/me", "--tag", "v2")

    assert done.stdout.split("\n")[:2] == [
        "docker tag curryberto/comfyui-serverless:latest localhost:5000/me/comfyui-serverless:v2 ",
        "docker push localhost:5000/me/comfyui-serverless:v2 ",
    ]


@pytest.mark.parametrize("script", ["build.sh", "push.sh"])
def test_an_unknown_option_is_refused(project: Path, script: str) -> None:
    done = run(project, script, "--tga", "v1")

    assert done.returncode == 1
    assert "--tga" in done.stderr


@pytest.mark.parametrize("script", ["build.sh", "push.sh"])
def test_help_says_how(project: Path, script: str) -> None:
    done = run(project, script, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: scripts/{script}")


def test_the_image_gets_all_that_the_worker_imports(tmp_path: Path) -> None:
    dockerfile = (PROJECT / "docker" / "Dockerfile").read_text(encoding="utf-8")
    rooms = re.findall(r"^COPY (\w+) /opt/worker/\1$", dockerfile, re.MULTILINE)
    ignored = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for room in rooms:
        shutil.copytree(PROJECT / room, tmp_path / room)
    code = (
        "import importlib, pkgutil, worker\n"
        "for module in pkgutil.walk_packages(worker.__path__, 'worker.'):\n"
        "    if not module.name.endswith(('__main__', 'die_with_parent')):\n"  # these two start things
        "        importlib.import_module(module.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert {f"!{room}/" for room in rooms} <= set(ignored)


def test_what_the_image_has_is_copied_out_of_it_and_named_again_by_a_push(project: Path, tmp_path: Path) -> None:
    """With a stand-in for Docker's command line, whose images have one file."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        "create) echo made-of-$2 ;;\n"
        'cp) echo "$2" >"$3" ;;\n'
        'image) [ "$2 $3" != "inspect localhost:5000/me/comfyui-serverless:v2" ] ;;\n'
        "esac\n"
    )
    docker.chmod(0o755)
    path = f"{docker.parent}:{os.environ['PATH']}"

    built = run(project, "build.sh", PATH=path)
    pushed = run(project, "push.sh", "--registry", "localhost:5000/me", "--tag", "v2", PATH=path)

    assert (built.returncode, pushed.returncode) == (0, 0), built.stderr + pushed.stderr
    kept = project / "docker" / "catalogs"
    content = "made-of-curryberto/comfyui-serverless:latest:/opt/image.catalog\n"
    assert {file.name: file.read_text() for file in kept.iterdir()} == {
        "curryberto+comfyui-serverless=latest.catalog": content,
        "localhost=5000+me+comfyui-serverless=v2.catalog": content,
    }
