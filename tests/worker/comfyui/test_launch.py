"""How ComfyUI is started: its folders, its command line, its environment."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from worker.comfyui.launch import ComfyLaunch
from worker.settings import WorkerSettings

REPORT = """
import json, os, sys, time
from pathlib import Path
report = {"argv": sys.argv, "environ": dict(os.environ), "cwd": os.getcwd()}
Path("report.part").write_text(json.dumps(report))
Path("report.part").rename("report.json")
time.sleep(600)
"""


def launch(tmp_path: Path, **settings: Any) -> ComfyLaunch:
    home = tmp_path / "comfyui"
    home.mkdir(exist_ok=True)
    (home / "main.py").write_text(REPORT)
    values = {
        "comfyui_home": home,
        "worker_data_dir": tmp_path / "data",
        "comfyui_port": 0,
        "comfyui_python": Path(sys.executable),
        "models_dir": tmp_path / "models",
    }
    return ComfyLaunch(WorkerSettings(**{**values, **settings}))


def started(tmp_path: Path, **settings: Any) -> dict[str, Any]:
    """What the process says of itself."""
    one = launch(tmp_path, **settings)
    report = tmp_path / "comfyui" / "report.json"
    one.start()
    try:
        deadline = time.monotonic() + 20
        while not report.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        told: dict[str, Any] = json.loads(report.read_text())
    finally:
        one.process.stop()
    return told


def option(argv: list[str], name: str) -> str:
    return argv[argv.index(name) + 1]


def test_comfyui_listens_on_loopback_and_keeps_its_files_in_the_workers_folders(tmp_path: Path) -> None:
    argv = started(tmp_path)["argv"]

    data = tmp_path / "data"
    assert option(argv, "--listen") == "127.0.0.1"
    assert int(option(argv, "--port")) > 0
    assert option(argv, "--input-directory") == str(data / "input")
    assert option(argv, "--output-directory") == str(data / "output")
    assert option(argv, "--temp-directory") == str(data)
    assert option(argv, "--user-directory") == str(data / "user")
    assert {path.name for path in data.iterdir()} == {"input", "output", "temp", "user"}


def test_options_of_the_settings_come_last(tmp_path: Path) -> None:
    argv = started(tmp_path, comfyui_args="--cpu --preview-method 'auto'")["argv"]

    assert argv[-3:] == ["--cpu", "--preview-method", "auto"]


def test_comfyui_is_told_of_the_models_outside_its_checkout(tmp_path: Path) -> None:
    (tmp_path / "models" / "of_a_custom_node").mkdir(parents=True)

    argv = started(tmp_path)["argv"]

    paths = json.loads(Path(option(argv, "--extra-model-paths-config")).read_text())["comfy_runpod"]
    assert paths["base_path"] == str(tmp_path / "models")
    assert paths["of_a_custom_node"] == "of_a_custom_node"


def test_custom_nodes_cannot_read_the_platforms_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNPOD_AI_API_KEY", "BUCKET_SECRET_ACCESS_KEY", "HF_TOKEN", "CIVITAI_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a-key-of-the-platform")
    monkeypatch.setenv("OF_A_NODE", "stays")

    report = started(tmp_path)

    assert "a-key-of-the-platform" not in json.dumps(report["environ"])
    assert report["environ"]["OF_A_NODE"] == "stays"
    assert report["cwd"] == str(tmp_path / "comfyui")


def test_without_a_checkout_no_folders_are_made_and_the_start_says_why(tmp_path: Path) -> None:
    one = launch(tmp_path, comfyui_home=tmp_path / "none")
    one.start()
    said = one.process.last_death()
    one.process.stop()

    assert "main.py is missing" in said
    assert not (tmp_path / "data").exists()


def test_each_launch_takes_a_free_port_unless_one_is_set(tmp_path: Path) -> None:
    assert launch(tmp_path).url != launch(tmp_path).url
    assert launch(tmp_path, comfyui_port=8188).url == "http://127.0.0.1:8188"


@pytest.mark.parametrize(
    ("arguments", "is_off"),
    [
        ('parser.add_argument("--disable-assets", action="store_true")', True),
        ('parser.add_argument("--enable-assets", action="store_true")', False),
        (None, False),
    ],
)
def test_assets_are_off_where_comfyui_knows_how(tmp_path: Path, arguments: str | None, is_off: bool) -> None:
    if arguments is not None:
        (tmp_path / "comfyui" / "comfy").mkdir(parents=True)
        (tmp_path / "comfyui" / "comfy" / "cli_args.py").write_text(arguments)

    assert ("--disable-assets" in started(tmp_path)["argv"]) is is_off
