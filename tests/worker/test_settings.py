"""The worker's settings, ComfyUI's command line, and the models outside its checkout."""

import sys
from pathlib import Path

import pytest

from worker.settings import WorkerSettings, WorkerSettingsError, environment_for_comfyui, read_settings


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WorkerSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COMFYUI_HOME", str(tmp_path))
    monkeypatch.setenv("COMFYUI_PORT", "0")
    monkeypatch.setenv("WORKER_STREAM", "0")
    monkeypatch.setenv("WORKER_DATA_DIR", "")

    settings = read_settings()

    assert (settings.comfyui_port, settings.worker_stream, settings.data_dir) == (0, False, tmp_path)
    assert settings.python == Path(sys.executable)


def test_the_checkouts_own_interpreter_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setenv("COMFYUI_HOME", str(tmp_path))

    assert read_settings().python == python


def test_a_wrong_value_is_one_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMFYUI_PORT", "http")

    with pytest.raises(WorkerSettingsError, match=r"^COMFYUI_PORT: .*integer"):
        read_settings()


def test_comfyui_does_not_inherit_the_platforms_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUNPOD_AI_API_KEY", "BUCKET_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "very-secret")
    monkeypatch.setenv("HF_HOME", "/models")
    environ = environment_for_comfyui()

    assert "very-secret" not in environ.values()
    assert environ["HF_HOME"] == "/models"


def test_sets_have_the_same_order_in_each_comfyui_unless_it_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    assert environment_for_comfyui()["PYTHONHASHSEED"] == "0"

    monkeypatch.setenv("PYTHONHASHSEED", "random")
    assert environment_for_comfyui()["PYTHONHASHSEED"] == "random"
