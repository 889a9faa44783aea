"""The image's build: ComfyUI starts once, its nodes are checked, and what it has becomes a file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from client.image_catalog import kept_file
from wire.catalog import decode_catalog

PROJECT = Path(__file__).parents[2]
CHECK = PROJECT / "docker" / "check_nodes.py"


def check(main_py: Path, recorded: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECK), str(main_py), str(recorded)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)


def test_what_the_build_s_comfyui_says_becomes_the_catalog_of_the_image(tmp_path: Path) -> None:
    checked = check(PROJECT / "sandbox" / "comfyui" / "main.py", tmp_path / "answers.json.gz")
    assert checked.returncode == 0, checked.stdout + checked.stderr

    command = [
        sys.executable,
        "-m",
        "worker.catalog",
        str(tmp_path / "answers.json.gz"),
        str(tmp_path / "image.catalog"),
    ]
    subprocess.run(command, check=True, cwd=PROJECT, timeout=60)

    name, _, packed = (tmp_path / "image.catalog").read_bytes().partition(b"\n")
    catalog = decode_catalog(packed, name.decode())
    assert (catalog.comfyui, catalog.gpu, catalog.on_volume) == ("0.33.0", "", {})
    assert {"checkpoints", "loras"} <= catalog.models.keys()
    assert catalog.model_inputs == {}  # it has no models, and the sandbox's loaders are not ComfyUI's own
    assert "SandboxCheckpoint" in catalog.nodes


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("print('IMPORT FAILED: a-pack', flush=True)\n", "IMPORT FAILED: a-pack"),
        ("import sys; sys.exit('no torch here')\n", "no torch here"),
    ],
)
def test_a_comfyui_that_does_not_start_fails_the_build(tmp_path: Path, program: str, said: str) -> None:
    (tmp_path / "main.py").write_text(program)

    checked = check(tmp_path / "main.py", tmp_path / "answers.json.gz")

    assert checked.returncode == 1
    assert said in checked.stdout
    assert not (tmp_path / "answers.json.gz").exists()


def test_a_node_that_does_not_import_fails_the_build_although_comfyui_answers(tmp_path: Path) -> None:
    home = PROJECT / "sandbox" / "comfyui"
    program = f"import runpy, sys\nprint('IMPORT FAILED: a-pack')\nsys.argv[0] = {str(home / 'main.py')!r}\n"
    program += f"sys.path.insert(0, {str(home)!r})\nrunpy.run_path({str(home / 'main.py')!r}, run_name='__main__')\n"
    (tmp_path / "main.py").write_text(program)

    checked = check(tmp_path / "main.py", tmp_path / "answers.json.gz")

    assert checked.returncode == 1
    assert checked.stderr.splitlines()[-1] == "IMPORT FAILED: a-pack"


def test_the_commit_of_a_pack_outlives_its_git_folder(tmp_path: Path) -> None:
    git = ("git", "-C", str(tmp_path / "origin"), "-c", "user.name=t", "-c", "user.email=t@example.com")
    (tmp_path / "origin").mkdir()
    for command in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "First")):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    code = f"from fetch_nodes import fetch; from pathlib import Path; fetch('origin', {commit!r}, Path('nodes/a-pack'))"
    environ = {**os.environ, "PYTHONPATH": str(PROJECT / "docker"), "GIT_ALLOW_PROTOCOL": "file"}
    code = code.replace("'origin'", repr(str(tmp_path / "origin")))
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environ)

    assert (tmp_path / "nodes" / "a-pack" / ".commit").read_text().strip() == commit


def test_the_build_leaves_the_catalog_where_the_deployment_looks_for_it() -> None:
    environ = {**os.environ, "DOCKER_REGISTRY": "localhost:5000/me", "DOCKER_IMAGE": "worker", "DOCKER_TAG": "v1"}
    command = [str(PROJECT / "scripts" / "build.sh"), "--dry-run"]
    printed = subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout

    copied = re.search(r"docker cp CONTAINER:/opt/image.catalog (\S+)", printed)
    assert copied is not None
    assert PROJECT / copied[1] == kept_file("localhost:5000/me/worker:v1")
