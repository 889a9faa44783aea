"""The whole product as processes: `python -m proxy` with what it starts, on free ports, in a folder of its own."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from engine.runpod.sandbox_key import sandbox_key
from tests.support.ports import free_port
from tests.support.until import until

PROJECT = Path(__file__).resolve().parents[2]
_START_S = 90.0
_STOP_S = 30.0


@dataclass
class Stack:
    """A running proxy. *output* is the local ComfyUI's output folder."""

    url: str
    comfyui_url: str
    endpoint_url: str
    output: Path
    home: Path
    environ: dict[str, str]
    session: aiohttp.ClientSession
    process: asyncio.subprocess.Process
    kind: str = "sandbox"
    orphans: list[psutil.Process] = field(default_factory=list)

    @property
    def endpoint_key(self) -> str:
        """For the sandbox endpoint, as the person's commands find it."""
        return sandbox_key(self.home).get_secret_value()

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as response:
            response.raise_for_status()
            return await response.json()

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        async with self.session.post(self.url + path, json=body, headers=headers) as response:
            text = await response.text()
            return response.status, await response.json() if text else None

    async def queue_prompt(self, prompt: Mapping[str, Any], **more: Any) -> str:
        status, body = await self.post("/api/prompt", {"prompt": prompt, **more})
        assert status == 200, body
        return str(body["prompt_id"])

    async def history(self, prompt_id: str, timeout_s: float = 60) -> dict[str, Any]:
        """The history entry, as soon as the prompt has ended."""

        async def entry() -> Any:
            return (await self.get(f"/history/{prompt_id}")).get(prompt_id)

        found: dict[str, Any] = await until(entry, timeout_s)
        return found

    async def jobs_at_endpoint(self) -> int:
        """How many jobs the sandbox endpoint has seen, in whatever state: an earlier one may just be changing it."""
        headers = {"Authorization": f"Bearer {self.endpoint_key}"}
        async with self.session.get(f"{self.endpoint_url}/sandbox/health", headers=headers) as response:
            jobs: dict[str, int] = (await response.json())["jobs"]
        return sum(jobs[state] for state in ("completed", "failed", "inProgress", "inQueue"))

    async def job(self, prompt_id: str) -> dict[str, Any]:
        jobs = (await self.get("/runpod/api/jobs"))["jobs"]
        return next((job for job in jobs if job["prompt_id"] == prompt_id), {})

    def log(self) -> str:
        return (self.home / "proxy.log").read_text(errors="replace")

    def children(self) -> list[psutil.Process]:
        """ComfyUI, the endpoint and its workers, as far as the proxy has started them."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def workers(self) -> list[psutil.Process]:
        return [child for child in self.children() if child.cmdline()[-2:] == ["-m", "worker"]]

    def comfyuis_of_workers(self) -> list[psutil.Process]:
        return [child for worker in self.workers() for child in worker.children() if "main.py" in child.cmdline()]

    async def kill(self) -> None:
        """As a crash would: no clean-up. What the proxy started goes on, until the stack ends."""
        self.orphans += self.children()
        self.process.kill()
        await self.process.wait()


async def start_proxy(environ: Mapping[str, str], home: Path) -> asyncio.subprocess.Process:
    with (home / "proxy.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", "--verbose", cwd=PROJECT, env=environ, stdout=log, stderr=log
        )


async def stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await asyncio.wait_for(process.wait(), _STOP_S)


@asynccontextmanager
async def running_stack(home: Path, **environment: str) -> AsyncIterator[Stack]:
    """A stack with *environment* on top of free ports; ready when ComfyUI and the endpoint answer through it."""
    proxy_port, comfyui_port, sandbox_port = free_port(), free_port(), free_port()
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "COMFYUI_"))},
        "PROXY_PORT": str(proxy_port),
        "COMFYUI_URL": f"http://127.0.0.1:{comfyui_port}",
        "SANDBOX_PORT": str(sandbox_port),
        "COMFY_RUNPOD_HOME": str(home),
        **environment,
    }
    process = await start_proxy(environ, home)
    token = environ.get("PROXY_TOKEN")
    shown = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), headers=shown) as session:
        stack = Stack(
            url=f"http://127.0.0.1:{environ['PROXY_PORT']}",
            comfyui_url=environ["COMFYUI_URL"],
            endpoint_url=f"http://127.0.0.1:{sandbox_port}/v2",
            output=home / "sandbox" / "output",
            home=home,
            environ=environ,
            session=session,
            process=process,
        )
        try:
            await until(lambda: _ready(stack), _START_S, lambda: stack.log()[-4000:])
            yield stack
        finally:
            await stop(stack.process)
            for orphan in stack.orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()


async def _ready(stack: Stack) -> bool:
    if stack.process.returncode is not None:
        raise AssertionError(f"the proxy ended with {stack.process.returncode}:\n{stack.log()[-4000:]}")
    try:
        status = await stack.get("/runpod/api/status")
    except (aiohttp.ClientError, OSError):
        return False
    return bool(status["comfyui"]["reachable"])
