"""scripts/doctor.py, in process: what it prints and its exit status."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from client.doctor.cli import main
from tests.support.ports import free_port


@pytest.fixture
def runner(tmp_path: Path) -> CliRunner:
    """With a set-up in which nothing runs."""
    unset = dict.fromkeys(("RUNPOD_API_KEY", "RUNPOD_ENDPOINT_ID", "RUNPOD_VOLUME_ID", "BUCKET_NAME", "COMFYUI_DIR"))
    ports = {"PROXY_PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    comfyui = {"COMFYUI_URL": f"http://127.0.0.1:{free_port()}", "COMFY_RUNPOD_HOME": str(tmp_path)}
    return CliRunner(env={**unset, **ports, **comfyui})


def test_wrong_settings_are_named_one_by_one(runner: CliRunner) -> None:
    done = runner.invoke(main, env={"PROXY_PORT": "0", "COMFYUI_URL": "nowhere"})

    assert done.exit_code == 1
    assert "WRONG   settings   PROXY_PORT=0" in done.output
    assert "WRONG   settings   COMFYUI_URL=nowhere" in done.output
    assert "correct it in .env" in done.output


def test_the_exit_status_says_whether_anything_is_wrong(runner: CliRunner) -> None:
    done = runner.invoke(main, ["--json"])
    report = json.loads(done.stdout)

    assert done.exit_code == (0 if report["ok"] else 1)
    assert {"python", "port", "comfyui", "endpoint"} <= {check["name"] for check in report["checks"]}


def test_machines_read_one_object_also_when_the_settings_are_wrong(runner: CliRunner) -> None:
    done = runner.invoke(main, ["--json"], env={"PROXY_PORT": "0"})

    assert json.loads(done.stdout)["ok"] is False
    assert done.exit_code == 1
