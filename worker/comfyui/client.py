"""ComfyClient: the calls that the worker makes to its own ComfyUI, and its websocket. Errors say whose fault it is."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from storage.http_body import read_up_to
from wire import plain_json
from wire.comfy import Message, ServerMessage, parse_binary, parse_text, render_text
from wire.errors import WireError
from wire.job import JobRequest
from wire.limits import MIB
from worker.redact import Redact

logger = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=30)
_PROBE_S = 5.0
_SLOW_TIMEOUT = aiohttp.ClientTimeout(total=120)
"""ComfyUI looks at all models on a volume before it answers"""
_SUBMIT_TIMEOUT = aiohttp.ClientTimeout(total=300)
"""ComfyUI validates before it answers: it opens input files, and may wait for a busy interpreter"""
_ANSWER_MAX = 128 * MIB
"""bytes: all node definitions have some tens of MiB"""
_MESSAGE_MAX = 64 * MIB
"""bytes of a message of the websocket: a picture that a node delivers by it"""
_CLOSED = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


class ComfyUnreachable(Exception):
    """ComfyUI did not answer in time: it may be busy, or gone."""


class PromptRefused(Exception):
    """ComfyUI's validation refused the prompt: *error* and *node_errors* are its own."""

    def __init__(self, error: dict[str, Any], node_errors: dict[str, Any]) -> None:
        super().__init__(str(error.get("message", "refused")))
        self.error, self.node_errors = error, node_errors


@dataclass(frozen=True, slots=True)
class ComfyQueue:
    """ComfyUI's queue: items ``[number, prompt_id, prompt, extra_data, outputs_to_execute]``."""

    running: list[list[Any]]
    pending: list[list[Any]]

    def item(self, prompt_id: str) -> list[Any] | None:
        return next((item for item in (*self.running, *self.pending) if item[1] == prompt_id), None)


class ComfySocket:
    """ComfyUI's messages for one client id."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, redact: Redact) -> None:
        self._socket, self._redact = socket, redact

    async def receive(self, timeout_s: float) -> ServerMessage | None:
        """The next message; None when there was none in time. Raises ComfyUnreachable when the socket is closed."""
        try:
            frame = await self._socket.receive(timeout=timeout_s)
        except TimeoutError:
            return None
        if frame.type in _CLOSED:
            raise ComfyUnreachable("ComfyUI closed the websocket")
        try:
            if frame.type is aiohttp.WSMsgType.TEXT:
                return parse_text(self._redact.text(frame.data))
            return parse_binary(frame.data)
        except WireError as error:
            logger.warning("a message from ComfyUI is skipped: %s", error)
            return None


class ComfyClient:
    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url, self._http = url, http
        self._redact = Redact((), shapes=False)

    def withhold(self, secrets: Iterable[str]) -> None:
        """From now on no text of ComfyUI has one of *secrets*: an error names all that its node was given.

        Source: ComfyUI 0.3.64 to 0.33.0, execution.py ``execute`` (``current_inputs``).
        """
        self._redact = Redact((json.dumps(secret)[1:-1] for secret in secrets), shapes=False)

    async def stats(self, timeout_s: float = _PROBE_S) -> dict[str, Any] | None:
        """ComfyUI's versions and devices; None while it does not answer."""
        try:
            return await self._json("GET", "/system_stats", timeout=aiohttp.ClientTimeout(total=timeout_s))
        except ComfyUnreachable:
            return None

    async def answers(self, timeout_s: float = _PROBE_S) -> bool:
        return await self.stats(timeout_s) is not None

    async def node_definitions(self) -> dict[str, Any]:
        """ComfyUI's ``/object_info``: megabytes."""
        return await self._json("GET", "/object_info")

    async def text(self, path: str) -> str:
        """The answer to a GET: megabytes are read in a thread by whoever asked, since that takes a while."""
        return await self._text("GET", path, timeout=_SLOW_TIMEOUT)

    async def node_definition(self, class_type: str) -> dict[str, Any] | None:
        """``/object_info`` of one class; None for a class that ComfyUI does not have."""
        if "{" in class_type or "}" in class_type:  # ComfyUI's router does not take them
            found = (await self.node_definitions()).get(class_type)
        else:
            found = (await self._json("GET", f"/object_info/{quote(class_type, safe='')}")).get(class_type)
        return found if isinstance(found, dict) else None

    async def submit(self, request: JobRequest, prompt_id: str, client_id: str) -> dict[str, Any]:
        """Queues the prompt; returns ``node_errors`` of the outputs that ComfyUI refused while it accepted others.

        Raises PromptRefused when ComfyUI accepts none of it.
        """
        body: dict[str, Any] = {
            "prompt": request.workflow,
            "prompt_id": prompt_id,
            "client_id": client_id,
            "extra_data": request.extra_data,
        }
        if request.targets is not None:
            body["partial_execution_targets"] = list(request.targets)
        answer = await self._json("POST", "/prompt", body, timeout=_SUBMIT_TIMEOUT)
        return dict(answer.get("node_errors") or {})

    async def history(self, prompt_id: str) -> dict[str, Any] | None:
        """The history entry; None while the prompt has not ended."""
        entry = (await self._json("GET", f"/history/{prompt_id}")).get(prompt_id)
        return entry if isinstance(entry, dict) else None

    async def ended_after(self, prompt_id: str) -> list[str]:
        """The prompts that ended after this one, in their order; none when it is not in the history."""
        count = 1
        while True:
            ids = list(await self._json("GET", f"/history?max_items={count}"))
            if prompt_id in ids:
                return ids[ids.index(prompt_id) + 1 :]
            if len(ids) < count:
                return []
            count *= 2

    async def forget(self, prompt_id: str) -> None:
        """Takes the prompt out of the history: what runs again under its id gets its place at the end."""
        await self._json("POST", "/history", {"delete": [prompt_id]})

    async def queue(self) -> ComfyQueue:
        """The prompts that wait or run."""
        queue = await self._json("GET", "/queue")
        return ComfyQueue(list(queue.get("queue_running", ())), list(queue.get("queue_pending", ())))

    async def is_queued(self, prompt_id: str) -> bool:
        """Whether the prompt waits or runs."""
        return (await self.queue()).item(prompt_id) is not None

    async def drop_all(self) -> bool:
        """Clears the queue and interrupts what runs; whether anything is still there.

        A node may queue another prompt while it is interrupted, so one call may not be enough.
        """
        await self._json("POST", "/queue", {"clear": True})
        queue = await self.queue()
        for item in queue.running:
            await self._json("POST", "/interrupt", {"prompt_id": item[1]})
        return bool(queue.running or queue.pending)

    async def deliver(self, path: str, content_type: str, body: bytes) -> int:
        """Repeats a POST of the page to the route of a custom node, as it came; the status of the answer."""
        url = URL(self._url + path, encoded=True)
        headers = {"Content-Type": content_type} if content_type else {}
        skipped = () if content_type else ("Content-Type",)
        try:
            async with self._http.post(
                url, data=body, headers=headers, skip_auto_headers=skipped, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                return response.status
        except (aiohttp.ClientError, OSError) as error:
            raise ComfyUnreachable(f"POST {path.partition('?')[0]}: {error or 'timed out'}") from error

    async def forget_cache(self) -> bool:
        """Makes ComfyUI forget the outputs of the nodes that it ran; False when it cannot be asked.

        It unloads its models as well, whatever the request says about them (0.3.64 to 0.33.0, main.py
        ``prompt_worker``), and does so when no prompt runs.
        """
        try:
            await self._json("POST", "/free", {"free_memory": True})
        except ComfyUnreachable as error:
            logger.warning("ComfyUI keeps its cache: %s", error)
            return False
        return True

    @asynccontextmanager
    async def socket(self, client_id: str) -> AsyncIterator[ComfySocket]:
        """A websocket that announced itself before the caller goes on."""
        try:
            async with asyncio.timeout(_TIMEOUT.total):
                socket = await self._http.ws_connect(f"{self._url}/ws?clientId={client_id}", max_msg_size=_MESSAGE_MAX)
                hello = Message("feature_flags", {"supports_preview_metadata": True})
                await socket.send_str(render_text(hello))
        except (aiohttp.ClientError, OSError) as error:  # OSError: TimeoutError and the socket's own
            raise ComfyUnreachable(f"no websocket: {error}") from error
        try:
            yield ComfySocket(socket, self._redact)
        finally:
            await socket.close()

    async def _json(
        self, method: str, path: str, body: object = None, *, timeout: aiohttp.ClientTimeout = _TIMEOUT
    ) -> dict[str, Any]:
        return _parsed(await self._text(method, path, body, timeout=timeout))

    async def _text(
        self, method: str, path: str, body: object = None, *, timeout: aiohttp.ClientTimeout = _TIMEOUT
    ) -> str:
        try:
            async with self._http.request(method, self._url + path, json=body, timeout=timeout) as response:
                text = self._redact.text(await _text(response))
        except (aiohttp.ClientError, OSError) as error:
            raise ComfyUnreachable(f"{method} {path}: {error or 'timed out'}") from error
        if response.status >= 400:
            raise _refusal(f"{method} {path}", response.status, text)
        return text


async def _text(response: aiohttp.ClientResponse) -> str:
    """Raises ComfyUnreachable for an answer that is too long."""
    body, is_whole = await read_up_to(response, _ANSWER_MAX)
    if not is_whole:
        raise ComfyUnreachable(f"{response.url.path}: the answer has more than {_ANSWER_MAX // MIB} MiB")
    return body.decode(errors="replace")


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = plain_json.loads(text) if text else {}
    except ValueError as error:
        raise ComfyUnreachable(f"not JSON: {text[:80]!r}") from error
    return value if isinstance(value, dict) else {}


def _refusal(call: str, status: int, text: str) -> Exception:
    """ComfyUI's own words, in its shape; older servers and custom nodes also answer with plain text."""
    if call != "POST /prompt":
        return ComfyUnreachable(f"{call}: {status} {text[:200]}")
    try:
        value = plain_json.loads(text)
        return PromptRefused(dict(value["error"]), dict(value.get("node_errors") or {}))
    except (ValueError, KeyError, TypeError):
        error = {"type": "refused", "message": f"ComfyUI answered {status}", "details": text[:2000], "extra_info": {}}
        return PromptRefused(error, {})
