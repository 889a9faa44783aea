"""ComfyUI's command line, as far as the sandbox needs it; other arguments are ignored."""

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import comfyui_frontend_package
from aiohttp import web

from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.models import model_folders
from sandbox.comfyui.routes_machine import VERSION
from sandbox.comfyui.server import ComfyServer

_HERE = Path(__file__).resolve().parent
_SAMPLES = ("invert.json", "blend.json", "load-image.json")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="main.py", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8188)
    for folder in ("input", "output", "temp", "user"):
        parser.add_argument(f"--{folder}-directory", type=Path)
    parser.add_argument("--base-directory", type=Path, default=_HERE, help="has input, output, temp, user and models")
    parser.add_argument("--extra-model-paths-config", type=Path, help="further folders of models, as JSON")
    parser.add_argument("--front-end-root", type=Path)
    parser.add_argument("--slow-start", type=float, default=0, metavar="SECONDS", help="wait before listening")
    parser.add_argument("--max-upload-size", type=float, default=100)
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help="of a page that may use it")
    parser.add_argument("--as-version", default=VERSION, help="answer as this ComfyUI does where versions differ")
    known, _ = parser.parse_known_args(arguments)
    return known


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    arguments = parse(sys.argv[1:])
    folders = _folders(arguments)
    shutil.rmtree(folders.temp, ignore_errors=True)
    folders.create()
    _add_samples(folders.user / "default" / "workflows")
    frontend = arguments.front_end_root or Path(comfyui_frontend_package.__file__).parent / "static"
    limit = int(arguments.max_upload_size * 1024 * 1024)
    time.sleep(arguments.slow_start)
    print("Starting server\n", flush=True)  # noqa: T201  as ComfyUI says it
    print(f"To see the GUI go to: http://{arguments.listen}:{arguments.port}", flush=True)  # noqa: T201
    web.run_app(
        _app(folders, frontend, limit, arguments.as_version, arguments.allow_host),
        host=arguments.listen,
        port=arguments.port,
        print=None,
        access_log=None,
        shutdown_timeout=1,
        loop=asyncio.new_event_loop(),
    )
    shutil.rmtree(folders.temp, ignore_errors=True)


def _folders(arguments: argparse.Namespace) -> ComfyFolders:
    base, output = arguments.base_directory, arguments.output_directory or arguments.base_directory / "output"
    return ComfyFolders(
        input=arguments.input_directory or base / "input",
        output=output,
        temp=(arguments.temp_directory or base) / "temp",  # as main.py does
        user=arguments.user_directory or base / "user",
        models=model_folders(base, output, arguments.extra_model_paths_config),
    )


def _add_samples(workflows: Path) -> None:
    """The samples that need no model, where the page's list of workflows looks; what the person changed stays."""
    workflows.mkdir(parents=True, exist_ok=True)
    for name in _SAMPLES:
        source = _HERE.parents[1] / "workflows" / name
        if source.is_file() and not (workflows / name).exists():
            shutil.copyfile(source, workflows / name)


async def _app(
    folders: ComfyFolders, frontend: Path, max_upload: int, version: str, hosts: Iterable[str]
) -> web.Application:
    return ComfyServer(folders, frontend, max_upload, version, frozenset(hosts)).app
