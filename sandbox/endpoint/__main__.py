"""``python -m sandbox.endpoint``."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import PROJECT, WorkerCommand

Folder = click.Path(file_okay=False, resolve_path=True, path_type=Path)
"""absolute, for workers run in folders of their own"""


def _program(_: click.Context, __: click.Parameter, value: str | None) -> Path | None:
    """An absolute path, links kept: an interpreter finds its packages by the path that it is called by."""
    if value is None:
        return None
    found = shutil.which(value)
    if found is None:
        raise click.BadParameter(f"no such program: {value}")
    return Path(found).absolute()


@click.command()
@click.option("--port", default=8190, show_default=True, help="Where to listen; 0 is a free port.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(0), help="How many workers to run.")
@click.option("--cold-start", default=0.0, show_default=True, help="Seconds that a worker takes to come, once needed.")
@click.option("--comfyui-home", type=Folder, help="The workers' ComfyUI; the sandbox's by default.")
@click.option("--comfyui-python", type=click.UNPROCESSED, callback=_program, help="The interpreter that runs it.")
@click.option("--comfyui-args", default="", help="More arguments for it, after those in COMFYUI_ARGS.")
@click.option("--home", type=Folder, help="A folder for the workers' files; temporary by default.")
@click.option("--api-key", envvar="SANDBOX_API_KEY", help="Accept this key only; any by default.")
def main(
    port: int,
    workers: int,
    cold_start: float,
    comfyui_home: Path | None,
    comfyui_python: Path | None,
    comfyui_args: str,
    home: Path | None,
    api_key: str | None,
) -> None:
    """Serve a RunPod endpoint on this machine, with real workers."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    environ = worker_environ(comfyui_home, comfyui_python, (os.environ.get("COMFYUI_ARGS", ""), comfyui_args))
    with tempfile.TemporaryDirectory(prefix="comfy-runpod-endpoint-") as temporary:
        command = WorkerCommand((sys.executable, "-m", "worker"), home or Path(temporary), environ)
        options = Options(api_key=api_key, wanted_workers=workers)
        asyncio.run(_serve(options, port, command, cold_start))


def worker_environ(home: Path | None, python: Path | None, arguments: Iterable[str]) -> dict[str, str]:
    """The workers' settings: which ComfyUI, its interpreter, and all *arguments* for it, in order."""
    environ = {
        "COMFYUI_HOME": str(home or PROJECT / "sandbox" / "comfyui"),
        "COMFYUI_ARGS": " ".join(filter(None, arguments)),
    }
    python = python or (None if home else Path(sys.executable))
    return environ if python is None else {**environ, "COMFYUI_PYTHON": str(python)}  # else the worker knows it


async def _serve(options: Options, port: int, command: WorkerCommand, cold_start_s: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # Windows
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running_endpoint(options, port=port, command=command, cold_start_s=cold_start_s) as running:
        click.echo(f"endpoint ready: {running.url}")
        await stop.wait()


if __name__ == "__main__":
    main()
