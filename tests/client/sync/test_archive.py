"""scripts/sync-models.py --method archive, from one folder to another, with a stand-in for runpodctl between them."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.scripts import environment, finished, line_with, run_script, started
from tests.support.stack import PROJECT

SCRIPT = "sync-models.py"


@dataclass
class Sides:
    """Two machines: *here* with the models, *there* with the volume at *there*/volume."""

    here: Path
    there: Path
    environ: dict[str, str]

    @property
    def models(self) -> Path:
        return self.here / "models"

    def other_side(self, command: str) -> "subprocess.CompletedProcess[str]":
        """A line of the instructions, run in a shell of the other machine."""
        return subprocess.run(
            command,
            shell=True,
            cwd=self.there,
            env=self.environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    for folder in ("here", "there", "relay", "bin"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bin" / "runpodctl").symlink_to(PROJECT / "tests" / "support" / "runpodctl")
    (tmp_path / "bin" / "python3").symlink_to(sys.executable)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environ = environment(PATH=path, RELAY=str(tmp_path / "relay"), COMFY_RUNPOD_HOME=str(tmp_path / "home"))
    sides = Sides(tmp_path / "here", tmp_path / "there", environ)
    for name, content in (
        ("checkpoints/a.safetensors", b"a" * 300_000),
        ("loras/sub/ü b.pt", b"b"),
        ("vae/v.pt", b"v"),
    ):
        (sides.models / name).parent.mkdir(parents=True, exist_ok=True)
        (sides.models / name).write_bytes(content)
    return sides


def commands(output: str, target: Path) -> list[str]:
    """The commands of the instructions, with the pod's mount point replaced."""
    found = [line.strip() for line in output.splitlines() if re.match(r"  (runpodctl|python3) ", line)]
    return [command.replace("/workspace/comfyui/models", str(target)) for command in found]


@pytest.mark.parametrize("style", ["1", "2"])
async def test_the_instructions_bring_every_file_to_the_other_side(sides: Sides, style: str) -> None:
    target = sides.there / "volume" / "comfyui" / "models"
    environ = sides.environ | {"STYLE": style}
    async with started(SCRIPT, "models", "vol1", environ=environ, cwd=sides.here) as process:
        output = await line_with(process.stdout, "Transfer code: 8338-galileo-collect-fidel-3")
        for _ in range(7):
            assert process.stdout is not None
            output += (await process.stdout.readline()).decode()
        ran = [sides.other_side(command) for command in commands(output, target)]
        done = await finished(process)

    assert [each.returncode for each in ran] == [0, 0, 0], [each.stderr for each in ran]
    assert done.status == 0, done.err
    assert {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()} == {
        path.relative_to(sides.models).as_posix(): path.read_bytes()
        for path in sides.models.rglob("*")
        if path.is_file()
    }
    assert not (sides.there / "models.zip").exists()
    assert not (sides.here / "models.zip").exists()
    assert (sides.here / "extract-models.py").exists()
    manifest = json.loads((target.parent / "models-manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == {"checkpoints/a.safetensors", "loras/sub/ü b.pt", "vae/v.pt"}


async def test_a_missing_runpodctl_is_one_line_before_any_work(sides: Sides) -> None:
    done = await run_script(SCRIPT, "models", "vol1", environ=sides.environ | {"PATH": "/usr/bin:/bin"}, cwd=sides.here)

    assert done.status == 1
    assert len(done.err.splitlines()) == 1
    assert "runpodctl is not installed" in done.err
    assert [path.name for path in sides.here.iterdir()] == ["models"]


async def test_a_failure_that_claims_success_is_none(sides: Sides) -> None:
    done = await run_script(SCRIPT, "models", "vol1", environ=sides.environ | {"STYLE": "broken"}, cwd=sides.here)

    assert done.status == 1
    assert "could not get list of relays" in done.err


async def test_ctrl_c_withdraws_the_offer(sides: Sides) -> None:
    async with started(SCRIPT, "models", "vol1", environ=sides.environ, cwd=sides.here) as process:
        await line_with(process.stdout, "Transfer code")
        process.send_signal(signal.SIGINT)
        done = await finished(process)

    assert done.status == 130
    assert "Traceback" not in done.err


async def test_a_dry_run_writes_nothing(sides: Sides) -> None:
    done = await run_script(
        SCRIPT, "models", "vol1", "--dry-run", "--include", "vae/*", environ=sides.environ, cwd=sides.here
    )

    assert done.out.splitlines() == ["would send  vae/v.pt  1 byte"]
    assert [path.name for path in sides.here.iterdir()] == ["models"]
