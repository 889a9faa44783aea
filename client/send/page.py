"""ComfyUI's own page converts a workflow, with the scripts of every node pack, in a browser that nobody sees.

The browser is driven by its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/.
"""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from wire.limits import MIB

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
_MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
_FLAGS = (
    *("--headless=new", "--remote-debugging-port=0", "--no-first-run", "--no-default-browser-check"),
    *("--disable-extensions", "--disable-sync", "--disable-background-networking", "--disable-component-update"),
)
_START_S, _READY_S, _CONVERT_S, _COMMAND_S, _END_S = 30.0, 120.0, 120.0, 15.0, 5.0
_LOOK_S = 0.2
_ANSWER_MAX = 64 * MIB
_IS_LOADED = "document.readyState === 'complete' && location.href !== 'about:blank'"
_IS_COMFYUI = "Boolean(document.getElementById('vue-app'))"
_IS_READY = "Boolean(window.app && window.app.graph && window.app.graphToPrompt)"
_HAS_FIRST_GRAPH = "Boolean(window.name && window.app.graph.nodes && window.app.graph.nodes.length)"
"""the page loads a graph of its own at first, which would replace ours"""
_FIRST_GRAPH_S = 20.0
_CONVERT = """(async () => {
    let state = %(seed)d >>> 0;
    Math.random = () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
    await window.app.loadGraphData(%(graph)s);
    return JSON.stringify((await window.app.graphToPrompt()).output);
})()"""


class PageFailed(RuntimeError):
    """The page did not convert the workflow; the text says why, in a part of a sentence."""


def browser() -> str | None:
    """The program of a Chromium of this machine."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return found or (str(_MAC) if _MAC.exists() else None)


class ComfyPage:
    """The page of the ComfyUI at *url* in the browser *program*: opened by the first workflow, closed by the block."""

    def __init__(self, program: str, url: str) -> None:
        self._program = program
        self._url = url
        self._open = contextlib.AsyncExitStack()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._session_id = ""
        self._number = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def convert(self, graph: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """*graph* as the page sends it; *seed* decides what is chosen by chance. Raises PageFailed."""
        try:
            if self._socket is None:
                await self._start()
            expression = _CONVERT % {"seed": seed % 2**32, "graph": json.dumps(graph)}
            answer = json.loads(await self._evaluated(expression, _CONVERT_S))
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise PageFailed(f"the browser did not answer: {type(error).__name__} {error}") from error
        if not isinstance(answer, dict):
            raise PageFailed("the page answered with something else than a prompt")
        return answer

    # -- the browser

    async def _start(self) -> None:
        folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        as_root = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
        process = await asyncio.create_subprocess_exec(
            *(self._program, *_FLAGS, *as_root, f"--user-data-dir={folder}", "about:blank"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._open.push_async_callback(_ended, process)
        async with asyncio.timeout(_START_S):
            address = await _address(folder / "DevToolsActivePort")
        http = await self._open.enter_async_context(aiohttp.ClientSession())
        self._socket = await self._open.enter_async_context(http.ws_connect(address, max_msg_size=_ANSWER_MAX))
        target = await self._told("Target.createTarget", url=self._url)
        attached = await self._told("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session_id = str(attached["sessionId"])
        async with asyncio.timeout(_READY_S):
            await self._until(_IS_LOADED)
            if await self._evaluated(_IS_COMFYUI, _COMMAND_S) is not True:
                raise PageFailed(f"{self._url} does not show ComfyUI's page")
            await self._until(_IS_READY)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_GRAPH_S):
                await self._until(_HAS_FIRST_GRAPH)

    async def _until(self, condition: str) -> None:
        """The page changes while it loads; what it says then is not an error."""
        while True:
            with contextlib.suppress(PageFailed):
                if await self._evaluated(condition, _COMMAND_S) is True:
                    return
            await asyncio.sleep(_LOOK_S)

    async def _evaluated(self, expression: str, timeout_s: float) -> Any:
        sent = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        done = await self._told("Runtime.evaluate", timeout_s, **sent)
        if "exceptionDetails" in done:
            thrown = done["exceptionDetails"].get("exception", {})
            text = str(thrown.get("description") or thrown.get("value") or "an error without a text")
            raise PageFailed(f"the page says: {text.splitlines()[0][:300]}")
        return done["result"].get("value")

    async def _told(self, method: str, timeout_s: float = _COMMAND_S, **params: Any) -> Any:
        """The result of a command."""
        assert self._socket is not None  # noqa: S101  only an opened page is told anything
        self._number += 1
        command = {"id": self._number, "method": method, "params": params}
        if self._session_id:
            command["sessionId"] = self._session_id
        await self._socket.send_json(command)
        async with asyncio.timeout(timeout_s):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == self._number:
                    break
        if "error" in answer:
            raise PageFailed(f"the browser says: {answer['error'].get('message')}")
        return answer["result"]


async def _address(file: Path) -> str:
    """Where the browser listens, which it writes into *file*: a port, and a path that nobody guesses."""
    while True:
        lines = await asyncio.to_thread(_lines, file)
        if len(lines) == 2:
            return f"ws://127.0.0.1:{int(lines[0])}{lines[1]}"
        await asyncio.sleep(_LOOK_S)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


async def _ended(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _END_S)
    except TimeoutError:
        process.kill()
        await process.wait()
