"""RunPod as a test wants it: a server on loopback whose jobs do what a script says, and whose answers can be spoilt.

Source: runpod docs, serverless/endpoints/send-requests and operation-reference; what was measured of the platform.
"""

import asyncio
import base64
import hashlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from engine.runpod.endpoint import Endpoint
from tests.support.playbook import items
from tests.support.served import served
from wire.batch import encode_batch, encode_event
from wire.events import (
    FileChunk,
    FilesCollected,
    HistoryEntry,
    JobsFound,
    NodeOutput,
    Omitted,
    PromptFinished,
    PromptStarted,
    WorkerEvent,
)
from wire.files import FileRef, Inline, Streamed, Wanted, encode_bytes
from wire.job import JobRequest, decode_request

LOST = "lost"
"""the request is carried out, and its answer lost on the way"""
DROPPED = "dropped"
"""the request is lost on the way"""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer instead of RunPod's own; the request is carried out when *works*."""

    status: int
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    works: bool = False


Fault = Answer | str
Told = WorkerEvent | Mapping[str, Any]
"""an event, or what a worker sends in its place"""
Script = Callable[[JobRequest], Sequence[Told]]
"""what a worker reports of a job, from its first event to its last"""


@dataclass
class ScriptedJob:
    """A job at RunPod."""

    request: JobRequest
    events: Sequence[Told]
    status: str = "IN_PROGRESS"
    streamed: bool = False
    cancelled: bool = False
    error: str | None = None


@dataclass
class RunPod:
    """*script* plays the worker. Jobs end with their last event, at once; those held wait for :meth:`finish`."""

    script: Script
    holds: bool = False
    holds_refetches: bool = False
    known: bool = True
    """False: it has forgotten all jobs"""
    jobs: dict[str, ScriptedJob] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=dict)
    """by operation: what becomes of the next requests"""
    calls: Counter[str] = field(default_factory=Counter)
    policies: list[object] = field(default_factory=list)
    """of the jobs, in their order"""
    url: str = ""

    def spoil(self, operation: str, *faults: Fault) -> None:
        self.faults.setdefault(operation, deque()).extend(faults)

    def finish(self) -> None:
        """What the jobs wait for is over."""
        self.holds = self.holds_refetches = False

    @property
    def prompts(self) -> list[ScriptedJob]:
        """The jobs that run a prompt."""
        return [job for job in self.jobs.values() if job.request.workflow]

    @property
    def refetches(self) -> list[ScriptedJob]:
        return [job for job in self.jobs.values() if not job.request.workflow]

    @property
    def running(self) -> list[ScriptedJob]:
        """What still costs money."""
        return [job for job in self.jobs.values() if job.status in ("IN_QUEUE", "IN_PROGRESS")]

    # -- the routes

    async def serve(self, request: web.Request) -> web.StreamResponse:
        operation = request.match_info["operation"]
        self.calls[operation] += 1
        waiting = self.faults.get(operation)
        fault = waiting.popleft() if waiting else None
        if fault == DROPPED:
            return self._cut(request)
        if isinstance(fault, Answer) and not fault.works:
            return _answer(fault)
        response = await self._own(operation, request)
        if fault == LOST:
            return self._cut(request)
        return _answer(fault) if isinstance(fault, Answer) else response

    def _cut(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _own(self, operation: str, request: web.Request) -> web.StreamResponse:
        if operation == "run":
            return self._run(await request.json())
        if operation == "health":
            return web.json_response({"workers": {"idle": 1}, "jobs": {}})
        job = self.jobs.get(request.match_info["job"]) if self.known else None
        if job is None:
            return web.json_response({"error": "job not found"}, status=404)
        if operation == "stream":
            return await self._stream(job, request)
        if operation == "cancel":
            job.cancelled = True
            if job.status == "IN_PROGRESS":
                job.status = "CANCELLED"
            return web.json_response({"id": request.match_info["job"], "status": job.status})
        return self._status(request.match_info["job"], job)

    def _run(self, body: dict[str, Any]) -> web.Response:
        self.policies.append(body.get("policy"))
        request, job_id = decode_request(body["input"]), f"job-{len(self.jobs) + 1}"
        self.jobs[job_id] = ScriptedJob(request, [*self._found(request), *self.script(request)])
        return web.json_response({"id": job_id, "status": "IN_QUEUE"})

    def _found(self, request: JobRequest) -> list[WorkerEvent]:
        """What a worker knows of the prompts that are looked for: all have run on it."""
        known = {job.request.prompt_id: job_id for job_id, job in self.jobs.items()}
        jobs = {prompt_id: known[prompt_id] for prompt_id in request.find if prompt_id in known}
        return [JobsFound(jobs=jobs)] if jobs else []

    async def _stream(self, job: ScriptedJob, request: web.Request) -> web.Response:
        until = asyncio.get_running_loop().time() + float(request.query.get("wait", "0")) / 1000
        while self._is_held(job) and job.status == "IN_PROGRESS" and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.01)
        if self._is_held(job) or job.streamed or request.transport is None:  # nobody listens any more
            return web.json_response({"status": job.status, "stream": []})
        job.streamed, job.status = True, "COMPLETED" if job.status == "IN_PROGRESS" else job.status
        return web.json_response({"status": job.status, "stream": [{"output": _batch(job.events)}]})

    def _is_held(self, job: ScriptedJob) -> bool:
        return self.holds or (self.holds_refetches and not job.request.workflow)

    def _status(self, job_id: str, job: ScriptedJob) -> web.Response:
        """The output repeats the stream, without the bytes that were too much to repeat."""
        ended = job.status == "COMPLETED"
        whole = [Omitted() if isinstance(event, FileChunk) else event for event in job.events]
        output = {"output": [_batch(whole)]} if ended else {}
        error = {"error": job.error} if job.error else {}
        return web.json_response({"id": job_id, "status": job.status, **output, **error})


def _batch(events: Sequence[Told]) -> dict[str, Any]:
    return encode_batch("run-1", 1, [_encoded(at, event) for at, event in enumerate(events)])


def _encoded(at: int, event: Told) -> dict[str, Any]:
    return {"seq": at, **event} if isinstance(event, Mapping) else encode_event(at, event)


def _answer(answer: Answer) -> web.Response:
    body = answer.body.encode() if isinstance(answer.body, str) else answer.body
    return web.Response(status=answer.status, body=body, headers=answer.headers)


@asynccontextmanager
async def serving(runpod: RunPod) -> AsyncIterator[RunPod]:
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/v2/{endpoint}/{operation}", runpod.serve)
    app.router.add_route("*", "/v2/{endpoint}/{operation}/{job}", runpod.serve)
    async with served(app, handler_cancellation=True, shutdown_timeout=0.1) as url:  # a poll may still wait
        runpod.url = f"{url}/v2"
        yield runpod


@asynccontextmanager
async def endpoint_of(runpod: RunPod, endpoint_id: str = "ep") -> AsyncIterator[Endpoint]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession() as session, aiohttp.ClientSession(connector=connector) as fresh:
        yield Endpoint(runpod.url, endpoint_id, SecretStr("key"), session, fresh)


# -- scripts


CONTENT = {"a_00001_.png": b"first picture", "b_00001_.png": b"second picture"}


def pictures(*, streamed: bool = False, contents: Mapping[str, bytes] = CONTENT) -> Script:
    """A worker that makes *contents*, an output each; *streamed*: their bytes come as chunks, as large ones do."""

    def play(request: JobRequest) -> Sequence[WorkerEvent]:
        if request.collect:
            return _collected(request.collect, contents)
        events: list[WorkerEvent] = [PromptStarted(timestamp=1)]
        for number, (name, content) in enumerate(contents.items()):
            if streamed:
                events.append(FileChunk(transfer=number, offset=0, data=encode_bytes(content)))
            source = Streamed(transfer=number) if streamed else Inline.of(content)
            file = FileRef(
                filename=name,
                type="output",
                sha256=hashlib.sha256(content).hexdigest(),
                size=len(content),
                source=source,
            )
            events.append(NodeOutput(node=str(number), output=items(name), files=(file,)))
        outputs = {str(number): items(name) for number, name in enumerate(contents)}
        status = {"status_str": "success", "completed": True, "messages": [["execution_success", {"timestamp": 9}]]}
        events.append(PromptFinished(timestamp=9, history=HistoryEntry(outputs=outputs, status=status)))
        return events

    return play


def _collected(wanted: Sequence[Wanted], contents: Mapping[str, bytes]) -> Sequence[WorkerEvent]:
    events: list[WorkerEvent] = []
    for transfer, file in enumerate(wanted):
        rest = contents[file.filename][file.start :]
        events.append(FileChunk(transfer=transfer, offset=file.start, data=base64.b64encode(rest).decode()))
    return [*events, FilesCollected(sha256=tuple(file.sha256 for file in wanted))]
