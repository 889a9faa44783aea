"""The command as a process, in front of a stand-in that answers like a ComfyUI."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from engine.settings import PROJECT, Settings
from proxy.cli import browsable_host
from tests.support.ports import free_port
from tests.support.served import served

DEADLINE_S = 30
TOKEN = "a+token/with=signs&more"


@pytest.fixture
async def comfyui() -> AsyncIterator[str]:
    async def stats(_request: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.8.0"}})

    app = web.Application()
    app.router.add_get("/system_stats", stats)
    async with served(app, shutdown_timeout=0.1) as url:
        yield url


@pytest.fixture
def variables(tmp_path: Path, comfyui: str) -> dict[str, str]:
    """A proxy that needs to start nothing: ComfyUI answers, an endpoint is named."""
    return {
        "PROXY_PORT": str(free_port()),
        "COMFYUI_URL": comfyui,
        "COMFY_RUNPOD_HOME": str(tmp_path / "home"),
        "RUNPOD_API_KEY": "rpa_secret",
        "RUNPOD_ENDPOINT_ID": "abc123",
        "RUNPOD_ENDPOINT_BASE_URL": f"http://127.0.0.1:{free_port()}/v2",
    }


@asynccontextmanager
async def proxy(
    variables: dict[str, str], *arguments: str, stdout: int = asyncio.subprocess.PIPE
) -> AsyncIterator[asyncio.subprocess.Process]:
    ours = {name.upper() for name in Settings.model_fields}
    environ = {name: value for name, value in os.environ.items() if name not in ours}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", *arguments),
        cwd=PROJECT,
        env=environ | variables,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def lines_until(process: asyncio.subprocess.Process, wanted: str) -> list[str]:
    assert process.stdout
    lines: list[str] = []
    while not lines or wanted not in lines[-1]:
        line = (await process.stdout.readline()).decode()
        assert line, f"ended before {wanted!r}: {lines}"
        lines.append(line.rstrip())
    return lines


async def test_wrong_values_are_said_and_nothing_starts(variables: dict[str, str]) -> None:
    async with proxy(variables | {"PROXY_PORT": "abc", "MAX_IN_FLIGHT": "0"}) as process:
        _, errors = await process.communicate()

    assert process.returncode == 2
    assert [line.split("=")[0] for line in errors.decode().splitlines()] == ["PROXY_PORT", "MAX_IN_FLIGHT"]


async def test_a_taken_port_is_one_line(variables: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(variables["PROXY_PORT"])))
        taken.listen()
        async with proxy(variables) as process:
            _, errors = await process.communicate()

    assert process.returncode == 1
    (line,) = errors.decode().splitlines()
    assert line.startswith(f"PROXY_PORT={variables['PROXY_PORT']}: ")
    assert f"(pid {os.getpid()}) listens there; stop it or choose another port" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_what_it_uses_and_where_to_go_and_ends_cleanly(
    variables: dict[str, str], number: signal.Signals
) -> None:
    async with proxy(variables) as process:
        lines = await lines_until(process, "ComfyUI on RunPod")
        process.send_signal(number)
        _, errors = await process.communicate()

    assert lines == [
        f"ComfyUI:  running at {variables['COMFYUI_URL']} (COMFYUI_URL)",
        f"Endpoint: abc123 at {variables['RUNPOD_ENDPOINT_BASE_URL']} (RUNPOD_ENDPOINT_BASE_URL)",
        f"ComfyUI on RunPod: http://127.0.0.1:{variables['PROXY_PORT']}",
    ]
    assert process.returncode == 0
    assert "Traceback" not in errors.decode()
    assert "rpa_secret" not in errors.decode()


async def test_the_token_is_on_the_terminal_and_in_no_log(variables: dict[str, str]) -> None:
    terminal, theirs = os.openpty()
    async with proxy(variables | {"PROXY_TOKEN": TOKEN}, "--verbose", stdout=theirs) as process:
        os.close(theirs)
        link = await asyncio.to_thread(_line_of, terminal, "ComfyUI on RunPod: ")
        await _break_off(variables["PROXY_PORT"], f"GET /?token={quote(TOKEN, safe='')} HTTP/1.1\r\nCookie: a".encode())
        process.send_signal(signal.SIGTERM)
        errors = (await process.stderr.read()).decode() if process.stderr else ""
        await process.wait()
    os.close(terminal)

    assert link == f"ComfyUI on RunPod: http://127.0.0.1:{variables['PROXY_PORT']}/?token={quote(TOKEN, safe='')}"
    assert "before completing request headers: b'GET /?token=[secret] HTTP/1.1" in errors
    assert TOKEN not in errors
    assert quote(TOKEN, safe="") not in errors


async def test_output_that_may_be_kept_has_no_token(variables: dict[str, str]) -> None:
    async with proxy(variables | {"PROXY_TOKEN": TOKEN}) as process:
        lines = await lines_until(process, "ComfyUI on RunPod")

    assert lines[-1] == f"ComfyUI on RunPod: http://127.0.0.1:{variables['PROXY_PORT']} (it asks for PROXY_TOKEN)"


async def test_other_machines_are_not_let_in_without_a_token(variables: dict[str, str]) -> None:
    async with proxy(variables | {"PROXY_HOST": "0.0.0.0", "PROXY_ALLOW_REMOTE": "1"}) as process:
        _, errors = await process.communicate()

    (line,) = errors.decode().splitlines()
    assert process.returncode == 2
    assert line.startswith("PROXY_TOKEN: not set, but PROXY_ALLOW_REMOTE=1 ")


def _line_of(terminal: int, start: str) -> str:
    """The first line with this *start* on a terminal."""
    with os.fdopen(terminal, encoding="utf-8", closefd=False) as lines:
        return next(line.strip() for line in lines if line.startswith(start))


async def _break_off(port: str, head: bytes) -> None:
    """Send half a head, and leave when the proxy has noticed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    writer.write(head)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


async def test_two_proxies_do_not_share_a_home(variables: dict[str, str]) -> None:
    async with proxy(variables) as first:
        await lines_until(first, "ComfyUI:")
        async with proxy(variables | {"PROXY_PORT": str(free_port())}) as second:
            _, errors = await second.communicate()

    assert second.returncode == 1
    assert errors.decode().startswith("COMFY_RUNPOD_HOME=")


@pytest.mark.parametrize(
    ("listening", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "[::1]"),
        ("::", "[::1]"),
    ],
)
def test_the_address_is_one_that_a_browser_takes(listening: str, shown: str) -> None:
    assert browsable_host(listening) == shown
