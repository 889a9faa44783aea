"""scripts/test-handler.py and scripts/test-local.py do what they promise, on this machine."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run(script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=150)


def test_the_handler_answers_without_runpod_and_comfyui() -> None:
    done = run("test-handler.py")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "8 of 8 are as they should be"


def test_jobs_run_on_a_local_comfyui_each_way() -> None:
    sandbox = str(SCRIPTS.parent / "sandbox" / "comfyui")

    done = run("test-local.py", COMFYUI_DIR=sandbox, COMFYUI_PYTHON=sys.executable)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok   ") == 6


def test_a_workflow_that_fails_fails_the_script(tmp_path: Path) -> None:
    workflow = tmp_path / "bad.json"
    workflow.write_text('{"1": {"class_type": "FromMars", "inputs": {}}}')
    sandbox = str(SCRIPTS.parent / "sandbox" / "comfyui")

    done = run("test-local.py", "--workflow", str(workflow), COMFYUI_DIR=sandbox, COMFYUI_PYTHON=sys.executable)

    assert done.returncode == 1
    assert "FAIL your workflow" in done.stdout
