import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from proxy.core.stack_plan import CannotStart
from proxy.machine import claimed, comfyui_answers, find_checkout, has_gpu, require_free, wait_until_listening


@asynccontextmanager
async def serving(status: int) -> AsyncIterator[str]:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"system": {}}, status=status)

    app = web.Application()
    app.router.add_get("/system_stats", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def checkout(folder: Path, interpreter: str | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "main.py").touch()
    if interpreter:
        (folder / interpreter).parent.mkdir(parents=True)
        (folder / interpreter).touch()
    return folder


async def test_a_comfyui_is_recognised() -> None:
    async with serving(200) as url:
        assert await comfyui_answers(url)


async def test_nobody_at_the_address_is_no_error() -> None:
    assert not await comfyui_answers(f"http://127.0.0.1:{free_port()}")


async def test_another_program_at_the_address_is_said() -> None:
    async with serving(404) as url:
        with pytest.raises(CannotStart, match=rf"^COMFYUI_URL={url}: .*404"):
            await comfyui_answers(url)


async def test_a_program_that_does_not_speak_http_is_said() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        with pytest.raises(CannotStart, match="no ComfyUI"):
            await comfyui_answers(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


def test_a_taken_port_is_one_line_with_variable_and_port() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(CannotStart, match=f"^PROXY_PORT={port}: .* listens there"):
            require_free("127.0.0.1", port, "PROXY_PORT")


def test_an_address_of_another_machine_is_one_line() -> None:
    with pytest.raises(CannotStart, match=r"^PROXY_PORT=8189: cannot listen at 192\.0\.2\.1"):
        require_free("192.0.2.1", 8189, "PROXY_PORT")


async def test_the_end_of_waiting_is_known() -> None:
    async with serving(200) as url:
        assert await wait_until_listening("127.0.0.1", int(url.rsplit(":", 1)[1]), 5)
    assert not await wait_until_listening("127.0.0.1", free_port(), 0.1)


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


def test_two_proxies_do_not_run_the_same_jobs(tmp_path: Path) -> None:
    home = tmp_path / "home"

    with claimed(home), pytest.raises(CannotStart, match=f"^COMFY_RUNPOD_HOME={home}: another proxy"), claimed(home):
        pytest.fail("claimed twice")
    with claimed(home):
        pass
