"""Another user of this machine, who knows all names, reads no prompt, no result on its way, and no key."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from client.send.session import new_session
from client.sync.digests import Digests
from client.sync.journal import SyncJournal
from client.sync.manifest import Content
from client.sync.models import find_models
from engine.comfyui import ComfyUIUnavailable
from engine.files.inputs import InputFiles
from engine.files.large_files import LargeFiles
from engine.files.prompt_paths import PromptPaths
from engine.files.results import ResultFiles
from engine.instance_lock import instance_lock
from engine.local_paths import LocalPaths
from engine.model.job import Submission
from engine.store.jobs import JobStore
from proxy.stack.plan import Command
from proxy.stack.processes import running
from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from sandbox.endpoint.workers import WorkerCommand
from tests.support.disks import reachable_folder, seen_by_another_user
from tests.support.file_bed import output, reference
from tests.support.files import mode, umask
from tests.support.prompts import inverted_image
from tests.support.scripts import environment
from tests.support.stack import PROJECT, running_stack
from tests.support.until import until
from wire.events import FileChunk
from wire.files import Folder, Volume, encode_bytes, output_key
from wire.ids import PromptId

SECRET = b"a prompt, or a result"
JOB = PromptId("job")
Look = Callable[[], None]
_changed_later: list[str] = []
"""paths whose rights were changed after they had been made"""
sys.addaudithook(lambda event, args: _changed_later.append(str(args[0])) if event == "os.chmod" else None)


class DownComfyUI:
    """A ComfyUI that cannot take results just now, so that they wait with us; *look* is called while it is read."""

    def __init__(self, look: Look) -> None:
        self._look = look

    async def node_info(self, _: str) -> dict[str, Any]:
        return {"input": {"required": {"image": [[], {"image_upload": True}]}}}

    @asynccontextmanager
    async def view(self, *_: str) -> AsyncIterator[AsyncIterator[bytes]]:
        async def pieces() -> AsyncIterator[bytes]:
            yield SECRET
            self._look()

        yield pieces()

    async def has_file(self, *_: str) -> bool:
        raise ComfyUIUnavailable("down")

    async def upload(self, _: Path, __: str, ___: str, ____: Folder) -> tuple[str, str]:
        raise ComfyUIUnavailable("down")

    async def output_folder(self) -> Path | None:
        raise ComfyUIUnavailable("down")

    async def places(self, _: Folder) -> tuple[Path, ...]:
        return ()

    async def local_paths(self) -> LocalPaths:
        return LocalPaths({"input": (), "output": (), "temp": ()}, ())

    async def on_windows(self) -> bool:
        return False


class FullVolume:
    """A volume with any object."""

    def read(self, _: str, __: int = 0) -> Iterator[bytes]:
        yield SECRET


async def lock(home: Path, look: Look) -> None:
    with instance_lock(home):
        look()


async def database(home: Path, look: Look) -> None:
    with JobStore(home / "jobs.sqlite") as store:
        store.add(Submission(JOB, {"1": {"text": SECRET.decode()}}, {}, ()), 0)
        look()


@asynccontextmanager
async def files(home: Path, look: Look) -> AsyncIterator[ResultFiles]:
    async with aiohttp.ClientSession() as session:
        with JobStore(home.parent / "jobs.sqlite") as store:
            large = LargeFiles(session, bucket=None, volume=FullVolume())  # type: ignore[arg-type]
            yield ResultFiles(DownComfyUI(look), home / "parts", store.files, large)


async def streamed_result(home: Path, look: Look) -> None:
    async with files(home, look) as results:
        await results.add_chunk(JOB, "run", FileChunk(transfer=1, offset=0, data=encode_bytes(SECRET)))
        look()


async def inline_result(home: Path, look: Look) -> None:
    async with files(home, look) as results:
        with contextlib.suppress(ComfyUIUnavailable):
            await results.save(JOB, "run", output(reference("x.png", SECRET)))
        look()


async def large_result(home: Path, look: Look) -> None:
    async with files(home, look) as results:
        file = reference("x.png", SECRET)
        file = file.model_copy(update={"source": Volume(path=output_key(JOB, file.sha256))})
        with contextlib.suppress(ComfyUIUnavailable):
            await results.save(JOB, "run", output(file))
        look()


async def spooled_input(home: Path, look: Look) -> None:
    async with aiohttp.ClientSession() as session:
        with JobStore(home.parent / "jobs.sqlite") as store:
            large, comfyui = LargeFiles(session, bucket=None, volume=None), DownComfyUI(look)
            inputs = InputFiles(comfyui, home / "spool", store.cached, large, PromptPaths(comfyui))
            prompt = {"1": {"class_type": "LoadImage", "inputs": {"image": "x.png"}}}
            await inputs.stage(store.add(Submission(JOB, prompt, {}, ()), 0), "endpoint")


async def session(home: Path, look: Look) -> None:
    with new_session(home / "sessions") as session:
        session.add({"1": {"text": SECRET.decode()}}, {})
        look()


async def digests(home: Path, look: Look) -> None:
    models = home.parent / "models" / "loras"
    models.mkdir(parents=True)
    (models / "private.safetensors").write_bytes(SECRET)
    (model,) = find_models(models.parent, (), (), ()).models
    Digests(home / "sync" / "digests.jsonl").content(model)
    look()


async def journal(home: Path, look: Look) -> None:
    entries = SyncJournal(home / "sync" / "uploads", "storage")
    entry = entries.begin("loras/private.safetensors", "upload", Content(1, "a" * 64), 1)
    entries.stored("loras/private.safetensors", entry, 1, "tag")
    look()


async def log(home: Path, look: Look) -> None:
    command = Command("comfyui", (sys.executable, "-c", ""), home.parent, (home / "sandbox" / "input",))
    for _ in range(2):  # the log of the last run is kept
        async with running([command], home / "logs", os.environ):
            look()


async def worker_of_the_sandbox(home: Path, look: Look) -> None:
    command = WorkerCommand((sys.executable, "-c", "import time; time.sleep(60)"), home / "sandbox" / "endpoint")
    async with running_endpoint(Options(), command=command):

        async def started() -> bool:
            return bool(list(home.rglob("worker.log")))

        await until(started)
        look()


WRITERS = (
    *(lock, database, streamed_result, inline_result, large_result, spooled_input, session, digests, journal, log),
    worker_of_the_sandbox,
)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__.replace("_", " "))
async def test_what_we_write_for_ourselves_is_ours_alone_from_the_first_byte(
    tmp_path: Path, write: Callable[[Path, Look], Awaitable[None]]
) -> None:
    home, found, files = tmp_path / "home", dict[str, int](), set[Path]()

    def look() -> None:
        found.update((path.relative_to(tmp_path).as_posix(), mode(path)) for path in (home, *home.rglob("*")))
        files.update(path for path in home.rglob("*") if path.is_file())

    with umask(0):
        await write(home, look)

    assert files
    assert {name: oct(bits) for name, bits in found.items() if bits & 0o077} == {}
    assert [path for path in _changed_later if path.startswith(str(home))] == []


async def test_another_user_reads_nothing_of_a_running_stack_and_results_have_the_rights_of_a_local_run() -> None:
    with reachable_folder() as folder, umask(0o022):
        home = folder / "home"
        home.mkdir()
        (home / "jobs.sqlite.old").write_bytes(SECRET)
        before = seen_by_another_user(home)
        async with running_stack(home) as stack:
            await stack.history(await stack.queue_prompt(inverted_image(prefix="remote")))
            async with stack.session.post(
                f"{stack.comfyui_url}/prompt", json={"prompt": inverted_image(prefix="local")}
            ) as answer:
                assert answer.status == 200

            async def both() -> bool:
                return len(list(stack.output.glob("*.png"))) == 2

            await until(both)
            seen = seen_by_another_user(home)
            masks = {
                next(line for line in Path(f"/proc/{child.pid}/status").read_text().splitlines() if "Umask" in line)
                for child in stack.children()
            }
        results = {path.name.split("_")[0]: mode(path) for path in stack.output.glob("*.png")}

    assert before == [str(home), str(home / "jobs.sqlite.old")]
    assert seen == []
    assert results == {"local": 0o644, "remote": 0o644}
    assert masks == {"Umask:\t0022"}


ROOMS = ("engine", "proxy", "storage", "wire")


@pytest.mark.parametrize(
    ("text", "bits", "warned"),
    [
        ("RUNPOD_API_KEY=rpa_secret\nRUNPOD_ENDPOINT_ID=abc\n", 0o644, True),
        ("RUNPOD_API_KEY=rpa_secret\nRUNPOD_ENDPOINT_ID=abc\n", 0o640, True),
        ("RUNPOD_API_KEY=rpa_secret\nRUNPOD_ENDPOINT_ID=abc\n", 0o600, False),
        ("export BUCKET_ACCESS_KEY_ID='id'\nBUCKET_SECRET_ACCESS_KEY='key'\n", 0o644, True),
        ("#RUNPOD_API_KEY=rpa_secret\nRUNPOD_API_KEY=\nMAX_IN_FLIGHT=3\n", 0o644, False),
    ],
    ids=["readable by all", "readable by the group", "narrow", "key of the bucket", "without a key"],
)
def test_the_start_warns_of_a_key_that_others_can_read(tmp_path: Path, text: str, bits: int, *, warned: bool) -> None:
    for room in ROOMS:
        shutil.copytree(PROJECT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    env_file = tmp_path / ".env"
    env_file.write_text(text)
    env_file.chmod(bits)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # so that it ends soon
        environ = environment(
            PROXY_PORT=str(taken.getsockname()[1]), COMFY_RUNPOD_HOME=str(tmp_path / "home"), PYTHONPATH=str(tmp_path)
        )
        command = [sys.executable, "-m", "proxy"]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    assert done.stderr.count(f"run: chmod 600 {env_file}") == warned
    assert "rpa_secret" not in done.stderr + done.stdout
