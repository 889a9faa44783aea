"""Bytes without a budget: whatever comes from outside is read up to a budget, with little memory and in short steps.

Promise: memory for any of it stays within 64 MB, nothing keeps the event loop longer than 50 ms, and a paid result is
not lost by it.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from engine.comfyui import ComfyUI
from engine.runpod.endpoint import Endpoint
from tests.support.bombs import gzip_bomb
from tests.support.measured import cost_of, needs_proc
from tests.support.served import served
from wire.ids import RunPodJobId
from wire.job import JobRequest
from worker.comfyui.client import ComfyClient

MB = 1_000_000
GZIP = {"Content-Encoding": "gzip", "Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Body:
    """Of an answer, in pieces that are made while it is sent."""

    pieces: Callable[[], Iterable[bytes]]
    headers: dict[str, str]
    status: int = 200


def plain(head: bytes, filling: bytes, size: int, tail: bytes = b"", status: int = 200) -> Body:
    def pieces() -> Iterable[bytes]:
        yield head
        whole = filling * (MB // len(filling))
        for _ in range(size // len(whole)):
            yield whole
        yield tail

    return Body(pieces, {"Content-Type": "application/json"}, status)


def bomb(head: bytes, filling: bytes, size: int, status: int = 200) -> Body:
    return Body(lambda: gzip_bomb(head, filling, size), GZIP, status)


@asynccontextmanager
async def answering(body: Body) -> AsyncIterator[str]:
    """The address of a server that answers everything with *body*."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(status=body.status, headers=body.headers)
        await response.prepare(request)
        for piece in body.pieces():
            await response.write(piece)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with served(app, shutdown_timeout=0.1) as url:
        yield url


# -- RunPod's answers


async def ask_runpod(url: str, question: str) -> list[Any]:
    """What came of a question: the kind of error, or the answer; and how many chunks were taken."""
    taken = 0

    async def take(_: Any) -> None:
        nonlocal taken
        taken += 1

    async with aiohttp.ClientSession() as session:
        endpoint, job = Endpoint(url, "ep", SecretStr("key"), session, session), RunPodJobId("job")
        asks: dict[str, Callable[[], Any]] = {
            "run": lambda: endpoint.run({}),
            "stream": lambda: endpoint.follow(job, 1000, take),
            "status": lambda: endpoint.status(job),
            "result": lambda: endpoint.result(job, take),
            "cancel": lambda: endpoint.cancel(job),
            "health": endpoint.health,
        }
        try:
            answer = await asks[question]()
        except Exception as error:  # noqa: BLE001  the test compares its name
            return [type(error).__name__, taken]
    return [str(answer), taken]


_STREAM, _OUTPUT = b'{"status": "COMPLETED", "stream": [', b'{"status": "COMPLETED", "output": ['
_CHUNK = b'{"output":1},'
_LATER, _WRONG, _DOUBT = "EndpointUnavailable", "ElementRefused", "SubmissionUncertain"
ANSWERS = {
    "a bomb of blanks": ("stream", bomb(_STREAM, b" ", 160 * MB), _LATER, 0),
    "a bomb of blanks in a chunk": ("stream", bomb(_STREAM + b'{"output": ', b" ", 160 * MB), _WRONG, 0),
    "a bomb of empty chunks": ("stream", bomb(_STREAM, b"{},", 40 * MB), _LATER, 0),
    "a bomb of names": ("stream", bomb(b"{", b'"a":1,', 40 * MB), _LATER, 0),
    "a bomb of brackets": ("stream", bomb(_STREAM, b"[", 40 * MB), _WRONG, 0),
    "a chunk without end": ("stream", plain(_STREAM + b'{"output": "', b"x", 100 * MB), _WRONG, 0),
    "a chunk without end, of brackets in a text": ("stream", plain(_STREAM + b'{"a": "', b"}", 100 * MB), _WRONG, 0),
    "a chunk of a million objects": ("stream", plain(_STREAM + b'{"output": [', b"{},", 3 * MB), _WRONG, 0),
    "many chunks are no fault": ("stream", plain(_STREAM, _CHUNK * 77, MB, b"{}]}"), "COMPLETED", 76_923),
    "no JSON": ("stream", plain(b"<html>", b" ", 100 * MB), _LATER, 0),
    "a bomb in a status": ("status", bomb(_OUTPUT, b" ", 160 * MB), _LATER, 0),
    "a bomb in a result": ("result", bomb(_OUTPUT, b" ", 160 * MB), _LATER, 0),
    "an endless output": ("result", plain(b'{"output": "', b"x", 100 * MB), _WRONG, 0),
    "a bomb in an answer to a submission": ("run", bomb(b'{"id": "job"', b" ", 160 * MB), _DOUBT, 0),
    "a bomb that refuses a submission": ("run", bomb(b"", b" ", 160 * MB, 400), "EndpointRejected", 0),
    "a bomb in an answer to a cancellation": ("cancel", bomb(b"{", b" ", 160 * MB, 500), _LATER, 0),
    "a bomb in the health": ("health", bomb(b"{", b" ", 160 * MB), _LATER, 0),
    "brackets in the health": ("health", plain(b"[" * 900_000, b"x", 0), _LATER, 0),
}


@needs_proc
@pytest.mark.parametrize(("question", "body", "outcome", "taken"), ANSWERS.values(), ids=ANSWERS)
async def test_an_answer_of_runpods_has_a_budget(question: str, body: Body, outcome: str, taken: int) -> None:
    async with answering(body) as url:
        cost = await cost_of(ask_runpod, url, question)

    assert cost.outcome == [outcome, taken]
    cost.require()


async def test_an_error_too_long_to_be_shown_does_not_hide_that_the_job_has_ended() -> None:
    async with answering(plain(b'{"status": "FAILED", "error": "', b"x", 8 * MB, b'"}')) as url:
        assert await ask_runpod(url, "status") == [
            "StatusReply(status='FAILED', output=None, error=None, delay_ms=None, execution_ms=None, worker_id=None)",
            0,
        ]


# -- ComfyUI's answers, to the proxy and to the worker beside it


async def ask_comfyui(url: str, question: str) -> str:
    """The name of the error that came of a question; else what the answer was."""
    async with aiohttp.ClientSession() as session:
        ours, workers = ComfyUI(url, session), ComfyClient(url, session)
        asks: dict[str, Callable[[], Any]] = {
            "version": ours.version,
            "class": lambda: ours.node_info("A"),
            "files": lambda: ours.listed("output"),
            "folders": ours.named_folders,
            "worker's stats": workers.stats,
            "worker's definitions": workers.node_definitions,
            "worker's history": lambda: workers.history("p"),
            "worker's prompt": lambda: workers.submit(JobRequest(workflow={}), "p", "c"),
        }
        try:
            return str(await asks[question]())[:100]
        except Exception as error:  # noqa: BLE001  the test compares its name
            return type(error).__name__


_LONG = {status: plain(b"", b"[", 100 * MB, status=status) for status in (200, 400, 500)}
_DEEP = plain(b"[" * 900_000, b"x", 0)
FROM_COMFYUI = {
    "its version": ("version", _LONG[200], "None"),
    "its version, as a bomb": ("version", bomb(b"{", b" ", 160 * MB), "None"),
    "its version, nested": ("version", _DEEP, "None"),
    "a class": ("class", _LONG[200], "ComfyUIRejected"),
    "a class, as an error": ("class", _LONG[500], "ComfyUIRejected"),
    "a class, nested": ("class", _DEEP, "ComfyUIRejected"),
    "a list of files": ("files", _LONG[200], "-1"),
    "its folders": ("folders", _LONG[200], "NamedFolders"),
    "a worker's stats, nested": ("worker's stats", _DEEP, "None"),
    "a worker's history, nested": ("worker's history", _DEEP, "ComfyUnreachable"),
    "a worker's refusal, nested": ("worker's prompt", plain(b"[" * 900_000, b"x", 0, status=400), "PromptRefused"),
}


@needs_proc
@pytest.mark.parametrize(("question", "body", "outcome"), FROM_COMFYUI.values(), ids=FROM_COMFYUI)
async def test_an_answer_of_comfyuis_has_a_budget(question: str, body: Body, outcome: str) -> None:
    async with answering(body) as url:
        cost = await cost_of(ask_comfyui, url, question)

    assert cost.outcome.startswith(outcome)
    cost.require()


async def test_a_workers_comfyui_may_say_much_and_not_anything() -> None:
    async with answering(plain(b"{", b" ", 300 * MB)) as url:
        assert await ask_comfyui(url, "worker's definitions") == "ComfyUnreachable"
