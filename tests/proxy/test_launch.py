"""scripts/launch_comfy_with_api.py as a person starts it, and stops it again."""

import os
import signal
from pathlib import Path

import aiohttp
import psutil

from tests.support.ports import free_port
from tests.support.scripts import environment, finished, line_with, started
from tests.support.until import until

TOKEN = "Zq3x-7Kp_0aT9.uVw"
"""the page asks for it: other users of the machine can read with what arguments a browser is started"""


async def test_one_command_starts_both_opens_the_page_and_one_ctrl_c_ends_it_all(tmp_path: Path) -> None:
    opened, browser, proxy = tmp_path / "opened", tmp_path / "bin" / "xdg-open", free_port()
    browser.parent.mkdir()
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o755)
    environ = environment(
        PATH=f"{browser.parent}:{os.environ['PATH']}",
        PROXY_PORT=str(proxy),
        PROXY_TOKEN=TOKEN,
        COMFYUI_URL=f"http://127.0.0.1:{free_port()}",
        SANDBOX_PORT=str(free_port()),
        COMFY_RUNPOD_HOME=str(tmp_path / "home"),
    )
    async with started("launch_comfy_with_api.py", environ=environ, cwd=tmp_path) as process:
        await line_with(process.stdout, f"ComfyUI on RunPod: http://127.0.0.1:{proxy}")

        async def is_open() -> bool:
            return opened.exists() and opened.read_text(encoding="utf-8") != ""

        await until(is_open, 60)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
            status = (await session.get(f"http://127.0.0.1:{proxy}/system_stats")).status
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        done = await finished(process)

    assert opened.read_text(encoding="utf-8").strip() == f"http://127.0.0.1:{proxy}"
    assert "not ready" not in done.err
    assert TOKEN not in done.out + done.err
    assert status == 200
    assert len(children) >= 3  # ComfyUI, the endpoint, its worker
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert done.status == 0, done.err


async def test_a_folder_without_a_comfyui_is_one_line(tmp_path: Path) -> None:
    environ = environment(COMFY_RUNPOD_HOME=str(tmp_path / "home"))
    async with started("launch_comfy_with_api.py", tmp_path, environ=environ, cwd=tmp_path) as process:
        done = await finished(process)

    assert done.status == 2
    assert done.err.splitlines() == [f"COMFYUI_DIR={tmp_path}: is not a ComfyUI: it has no main.py"]
