"""Whatever a worker tells: results stay inside ComfyUI's folders, a paid job is not lost, and every answer is JSON."""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.comfyui import comfyui_process
from tests.support.marked import DECORATION, ENDINGS, replaced, ways_into
from tests.support.names import NAMES
from tests.support.prompts import inverted_image
from tests.support.runpod import RunPod, Told, serving
from tests.support.stack import Stack, running_stack
from tests.support.strict_json import SCALARS, strictly_parsed
from wire.events import FilesSaved, HistoryEntry, NodeOutput, PromptFinished, PromptStarted
from wire.files import FileRef, Inline

VIEWS = ("/queue", "/history", "/history/{id}", "/api/jobs", "/api/jobs/{id}", "/runpod/api/jobs", "/runpod/api/status")
_MEMORY = 64 * 1024 * 1024
_LINK = "linkout"
"""a link in the output and input folders that leads out of them"""
SOME_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@dataclass
class Site:
    """A proxy with a local ComfyUI, a RunPod that says what a story wants, and a page that listens."""

    runner: asyncio.Runner
    stack: Stack
    runpod: RunPod
    socket: aiohttp.ClientWebSocketResponse
    data: Path
    outside: Path
    told: int = 0

    def __repr__(self) -> str:
        return "site"

    async def tell(self, story: Sequence[Told]) -> dict[str, Any]:
        """The job in which a worker tells *story*, when it has ended; every answer about it has been read."""
        self.told += 1
        self.runpod.script = lambda _: story
        prompt_id = await self.stack.queue_prompt(inverted_image(), client_id="page")
        await self.stack.history(prompt_id)
        for view in VIEWS:
            async with self.stack.session.get(self.stack.url + view.format(id=prompt_id)) as response:
                assert response.status == 200
                strictly_parsed(await response.read())
        await self._listen(prompt_id)
        return await self.stack.job(prompt_id)

    async def _listen(self, prompt_id: str) -> None:
        """Up to the last message about the job."""
        async for message in self.socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            told = strictly_parsed(message.data)
            if told["type"] == "executing" and told["data"] == {"node": None, "prompt_id": prompt_id}:
                return

    def contents(self) -> set[bytes]:
        """Of all files in ComfyUI's folders, but not through the link."""
        folders = (self.data / "output", self.data / "temp", self.data / "input")
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        return {path.read_bytes() for path in files}

    def elsewhere(self) -> set[Path]:
        """What is in the folder that no result may go to."""
        return set(self.outside.rglob("*"))

    def mine(self) -> bytes:
        return (self.data / "input" / "a.png").read_bytes()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data, home, outside = (tmp_path_factory.mktemp(name) for name in ("local", "home", "outside"))
    with asyncio.Runner() as runner:
        opened = AsyncExitStack()

        async def start() -> Site:
            runpod = await opened.enter_async_context(serving(RunPod(lambda _: [])))
            comfyui = await opened.enter_async_context(comfyui_process(data=data))
            (data / "output" / _LINK).symlink_to(outside)
            (data / "input" / _LINK).symlink_to(outside)
            (data / "input" / "a.png").write_bytes(b"mine")
            running = running_stack(
                home,
                COMFYUI_URL=comfyui,
                RUNPOD_API_KEY="key",
                RUNPOD_ENDPOINT_ID="ep",
                RUNPOD_ENDPOINT_BASE_URL=runpod.url,
            )
            stack = await opened.enter_async_context(running)
            connecting = stack.session.ws_connect(f"{stack.url}/ws?clientId=page", max_msg_size=2**26)
            socket = await opened.enter_async_context(connecting)
            return Site(runner, stack, runpod, socket, data, outside)

        try:
            yield runner.run(start())
        finally:
            runner.run(opened.aclose())


PATHS = st.sampled_from([case.path for case in NAMES if case.path]) | st.sampled_from(
    [
        f"{_LINK}/a.png",
        f"{_LINK}/deeper/a.png",
        f"{_LINK}/../a.png",
        "a.lnk",
        "a.desktop",
        "desktop.ini",
        "\u202egnp.exe",
    ]
)
FOLDERS = st.sampled_from(["output", "output", "temp", "input"])
ONLY_SHOWN = [event for event in DECORATION if event["kind"] not in ("node_output", "files_saved", "file_chunk")]


def spoilt(events: Sequence[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """One of *events* with anything in the place of one of its parts."""
    chosen = st.sampled_from([(event, way) for event in events for way in ways_into(event)])
    return st.builds(lambda one, value: replaced(one[0], one[1], value), chosen, SOME_JSON)


def result(path: str, folder: Any, content: bytes) -> FileRef:
    subfolder, _, filename = path.rpartition("/")
    digest = hashlib.sha256(content).hexdigest()
    return FileRef(
        filename=filename, subfolder=subfolder, type=folder, sha256=digest, size=len(content), source=Inline.of(content)
    )


_QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@_QUICK
@given(st.lists(st.tuples(PATHS, FOLDERS), max_size=3), st.lists(spoilt(ONLY_SHOWN), max_size=6))
@example([(f"{_LINK}/deeper/a.png", "output"), ("a.png", "input")], [])
def test_results_are_stored_inside_whatever_else_is_told(
    site: Site, files: list[tuple[str, str]], told: list[dict[str, Any]]
) -> None:
    before = site.elsewhere()
    contents = [f"{site.told} {at}".encode() for at in range(len(files))]
    results = [result(path, folder, content) for (path, folder), content in zip(files, contents, strict=True)]
    outputs = [NodeOutput(node=str(at), output={}, files=(file,)) for at, file in enumerate(results[::2])]
    quiet = [FilesSaved(files=(file,), left_out=1, elsewhere=(file.filename,)) for file in results[1::2]]
    status = {"status_str": "success", "completed": True, "messages": []}
    ending = PromptFinished(timestamp=9, history=HistoryEntry(outputs={}, status=status))
    job = site.runner.run(site.tell([PromptStarted(timestamp=1), *told, *outputs, *quiet, ending]))

    assert (job["state"], job["error"]) == ("completed", None)
    assert set(contents) <= site.contents()
    assert site.elsewhere() == before
    assert site.mine() == b"mine"


@_QUICK
@given(st.lists(spoilt(DECORATION), max_size=6), spoilt(ENDINGS))
def test_a_job_ends_and_every_answer_is_json_whatever_its_end_is(
    site: Site, told: list[dict[str, Any]], ending: dict[str, Any]
) -> None:
    job = site.runner.run(site.tell([PromptStarted(timestamp=1), *told, ending]))

    assert job["state"] in ("completed", "failed", "cancelled")


def test_the_proxy_is_as_large_as_before_when_all_that_has_been_told(site: Site) -> None:
    rest = psutil.Process(site.stack.process.pid).memory_info().rss
    noise = [{"kind": f"of next year {number}", "text": "x" * 1000} for number in range(2000)]
    for _ in range(5):
        site.runner.run(
            site.tell(
                [
                    PromptStarted(timestamp=1),
                    *noise,
                    PromptFinished(timestamp=9, history=HistoryEntry(outputs={}, status={})),
                ]
            )
        )

    assert psutil.Process(site.stack.process.pid).memory_info().rss - rest < _MEMORY
