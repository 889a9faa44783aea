from pathlib import Path

import pytest

from proxy.stack.machine import find_checkout, has_gpu


def checkout(folder: Path, interpreter: str | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "main.py").touch()
    if interpreter:
        (folder / interpreter).parent.mkdir(parents=True)
        (folder / interpreter).touch()
    return folder


def test_the_chosen_checkout_wins(tmp_path: Path) -> None:
    chosen = checkout(tmp_path / "chosen", "venv/bin/python")
    fallback = checkout(tmp_path / "fallback", ".venv/bin/python")

    found = find_checkout(chosen, None, fallback)

    assert found is not None
    assert (found.home, found.python) == (chosen, chosen / "venv/bin/python")


def test_the_interpreter_that_the_person_names_wins(tmp_path: Path) -> None:
    found = find_checkout(checkout(tmp_path / "chosen", ".venv/bin/python"), Path("/python"), tmp_path)

    assert found is not None
    assert found.python == Path("/python")


def test_the_fallback_counts_only_when_it_can_be_started(tmp_path: Path) -> None:
    bare = checkout(tmp_path / "bare")

    assert find_checkout(None, None, tmp_path / "missing") is None
    assert find_checkout(None, None, bare) is None
    assert find_checkout(None, Path("/python"), bare) is not None


async def test_a_gpu_is_seen_by_its_device(tmp_path: Path) -> None:
    (tmp_path / "nvidia0").touch()

    assert await has_gpu("linux", tmp_path)


@pytest.mark.parametrize(("script", "expected"), [("echo 'GPU 0: NVIDIA'", True), ("exit 9", False), ("", False)])
async def test_a_gpu_is_seen_by_its_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: bool
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert await has_gpu("linux", tmp_path) is expected


async def test_without_device_and_tool_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not await has_gpu("linux", tmp_path)
    assert await has_gpu("darwin", tmp_path)
