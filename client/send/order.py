"""Submits a workflow, follows it, and has its results saved: what scripts/send-to-runpod.py does."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from client.send.endpoints import opened_endpoints
from client.send.folders import HOW_TO_NAME, LocalFolders, NoSuchImage, missing_inputs, named_files, with_only_image
from client.send.page import ComfyPage, browser
from client.send.prompts import Changes, Converter, OrderRefused, WorkflowFile, known, prompts, read
from client.send.session import Followed, SendSession, UnknownJob, abandoned, new_session, saved_paths, session_with
from client.send.terminal import Terminal
from client.workflow.workflow import Workflow
from engine.comfyui import ComfyUI
from engine.files.large_files import LargeFiles
from engine.files.s3_settings import large_files
from engine.home import private_home
from engine.model.job import Job
from engine.model.states import public_state
from engine.runpod.endpoint import Endpoint, EndpointRejected, EndpointUnavailable, JobGone
from engine.settings import Settings
from wire.ids import PromptId, RunPodJobId

_SANDBOX = "the sandbox knows only a few nodes, RunPod's endpoint has them (RUNPOD_ENDPOINT_ID, RUNPOD_API_KEY)"
_UNKNOWN_NODE = ("does not know the node", "The custom node may not be installed")


@dataclass(frozen=True, slots=True)
class Order:
    """What the person asked for."""

    workflows: tuple[Path, ...]
    api: bool
    """of a file that holds both forms, send what ran"""
    page: bool
    """let ComfyUI's page convert, in a browser"""
    images: tuple[Path, ...]
    inputs: Path
    output: Path
    changes: Changes
    timeout_s: float
    resume: str | None


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How one job ended, or that it goes on."""

    job: Job
    files: tuple[Path, ...]
    error: str | None

    @property
    def completed(self) -> bool:
        return public_state(self.job.state) == "completed"

    def as_json(self) -> dict[str, Any]:
        seconds = {"queued_s": self.job.delay_ms, "executed_s": self.job.execution_ms}
        return {
            "id": self.job.runpod_id,
            "prompt_id": self.job.prompt_id,
            "status": public_state(self.job.state),
            "files": [str(path) for path in self.files],
            "outputs": self.job.entry.outputs if self.job.entry else {},
            **{name: None if value is None else value / 1000 for name, value in seconds.items()},
            "error": self.error,
        }


async def carry_out(
    order: Order, settings: Settings, terminal: Terminal, random_seed: Callable[[], int]
) -> list[JobOutcome]:
    """The outcomes of *order*'s jobs. Raises OrderRefused, and CannotStart without an endpoint."""
    if problem := private_home(settings.comfy_runpod_home):
        terminal.say(problem)
    home = settings.comfy_runpod_home / "sessions"
    files = () if order.resume is not None else await asyncio.to_thread(_read, order)
    async with opened_endpoints(settings) as endpoints, aiohttp.ClientSession() as http:
        large = large_files(settings, http)
        if order.resume is not None:
            return await _resume(order, order.resume, home, endpoints, terminal, settings, large)
        for job_id in abandoned(home):
            terminal.say(f"an earlier command stopped before job {job_id} ended; --resume {job_id} fetches its result")
        async with _answering_comfyui(settings) as comfyui:
            sources = [await known(path, workflow, comfyui, api=order.api) for path, workflow in files]
            prompted = await _prompted(order, sources, settings, terminal, random_seed, answers=comfyui is not None)
            jobs, named = _with_files(order, prompted, terminal)
            folders = LocalFolders(
                prompt=_joined(jobs), named=named, inputs=order.inputs, output=order.output, comfyui=comfyui
            )  # fmt: skip
            with new_session(home) as session:
                ids = [session.add(prompt, source.extra_data) for source, prompt in jobs]
                return await _follow(order, session, ids, endpoints, folders, terminal, settings, large)


# -- what is to be submitted


def _read(order: Order) -> tuple[tuple[Path, Workflow], ...]:
    """The files are looked at before anybody is asked for anything."""
    if not order.workflows:
        raise OrderRefused("--workflow: give a workflow file, or follow a job with --resume")
    return tuple((path, read(path, api=order.api)) for path in order.workflows)


@asynccontextmanager
async def _answering_comfyui(settings: Settings) -> AsyncIterator[ComfyUI | None]:
    async with aiohttp.ClientSession() as session:
        comfyui = ComfyUI(settings.comfyui_url, session, elsewhere=settings.comfyui_remote)
        yield comfyui if await comfyui.version() is not None else None


Jobs = list[tuple[WorkflowFile, dict[str, Any]]]


async def _prompted(
    order: Order,
    sources: Sequence[WorkflowFile],
    settings: Settings,
    terminal: Terminal,
    random_seed: Callable[[], int],
    *,
    answers: bool,
) -> Jobs:
    """Every prompt to submit with the file that it comes from; *answers*: a ComfyUI is there, with its page."""
    program = browser() if answers else None
    async with ComfyPage(program or "", settings.comfyui_url) as page:
        converter = Converter(page if program else None, order.page, terminal.say)
        try:
            return [
                (source, prompt)
                for source in sources
                for prompt in await prompts(source, order.changes, random_seed, converter)
            ]
        except OrderRefused as refusal:
            raise OrderRefused(_about_sandbox(str(refusal), settings)) from refusal


def _with_files(order: Order, jobs: Jobs, terminal: Terminal) -> tuple[Jobs, dict[str, Path]]:
    """The *jobs* with the given files in them, and these by their names."""
    try:
        named = named_files(order.images)
    except NoSuchImage as error:
        raise OrderRefused(f"--images: {error}") from error
    jobs = [(source, with_only_image(prompt, named)) for source, prompt in jobs]
    if unused := missing_inputs(named, _joined(jobs)):
        terminal.say(f"not sent, because no node of the workflow uses it: {', '.join(unused)}{HOW_TO_NAME}")
    if order.changes.count > 1 and jobs[0][1] == jobs[1][1]:
        terminal.say(f"the {order.changes.count} jobs are the same; --seed random makes them differ")
    return jobs, named


def _joined(jobs: Jobs) -> dict[str, Any]:
    """The nodes of all prompts, to look for the files that they name."""
    return {f"{number}:{name}": node for number, (_, prompt) in enumerate(jobs) for name, node in prompt.items()}


# -- until it has ended


async def _resume(
    order: Order,
    job_id: str,
    home: Path,
    endpoints: tuple[Endpoint, ...],
    terminal: Terminal,
    settings: Settings,
    large: LargeFiles,
) -> list[JobOutcome]:
    folders = LocalFolders(prompt={}, named={}, inputs=order.inputs, output=order.output, comfyui=None)
    try:
        with session_with(home, job_id) as session:
            ids = [job.prompt_id for job in session.store.active()]
            return await _follow(order, session, ids, endpoints, folders, terminal, settings, large)
    except UnknownJob:
        endpoint = await _endpoint_of(job_id, endpoints)
        with new_session(home) as session:
            adopted = session.adopt(job_id, endpoint.id)
            return await _follow(order, session, [adopted], endpoints, folders, terminal, settings, large)


async def _endpoint_of(job_id: str, endpoints: tuple[Endpoint, ...]) -> Endpoint:
    """The endpoint that knows the job, which another program or machine submitted."""
    for endpoint in endpoints:
        try:
            await endpoint.status(RunPodJobId(job_id))
        except JobGone:
            continue
        except (EndpointUnavailable, EndpointRejected) as error:
            raise OrderRefused(f"--resume {job_id}: {error}") from error
        return endpoint
    raise OrderRefused(f"--resume {job_id}: RunPod does not know this job; it forgets a job 30 minutes after its end")


async def _follow(
    order: Order,
    session: SendSession,
    ids: list[PromptId],
    endpoints: tuple[Endpoint, ...],
    folders: LocalFolders,
    terminal: Terminal,
    settings: Settings,
    large: LargeFiles,
) -> list[JobOutcome]:
    for prompt_id in ids:
        terminal.expect(prompt_id, session.store.get(prompt_id).prompt, partial(_runpod_id, session, prompt_id))
    max_in_flight, worker_paths = settings.max_in_flight, settings.worker_paths
    followed = Followed(session, ids, endpoints, folders, terminal, max_in_flight, large, worker_paths=worker_paths)
    following = asyncio.ensure_future(followed.until_ended())
    with _cancelling_on_signal(followed, following, terminal):
        await _wait(order.timeout_s, session, followed, following, terminal)
        with contextlib.suppress(asyncio.CancelledError):
            await following
    outcomes = [_outcome(session, prompt_id, order.output, terminal) for prompt_id in ids]
    return [replace(each, error=_about_sandbox(each.error, settings)) if each.error else each for each in outcomes]


def _about_sandbox(text: str, settings: Settings) -> str:
    """*text*, with the reason why a node is unknown where no endpoint is set and the sandbox has answered."""
    about_a_node = any(said in text for said in _UNKNOWN_NODE)
    return f"{text}; {_SANDBOX}" if about_a_node and not settings.endpoint_ids else text


async def _wait(
    timeout_s: float, session: SendSession, followed: Followed, following: "asyncio.Future[None]", terminal: Terminal
) -> None:
    """Until all have ended, or none has within *timeout_s*: then they are cancelled. 0 is for ever."""
    left = session.store.count_active()
    while True:
        done, _ = await asyncio.wait({following}, timeout=timeout_s or None)
        now = session.store.count_active()
        if done or now == 0:
            return
        if now == left:
            terminal.say(f"no job ended within {timeout_s:g} s (--timeout): cancelling")
            followed.cancel()
            return
        left = now


def _runpod_id(session: SendSession, prompt_id: PromptId) -> str | None:
    return session.store.get(prompt_id).runpod_id


def _outcome(session: SendSession, prompt_id: PromptId, output: Path, terminal: Terminal) -> JobOutcome:
    job = session.store.get(prompt_id)
    files = saved_paths(session.store.files.names(prompt_id), output)
    return JobOutcome(job, tuple(files), terminal.error(prompt_id) or job.error)


@contextlib.contextmanager
def _cancelling_on_signal(followed: Followed, following: "asyncio.Future[None]", terminal: Terminal) -> Iterator[None]:
    """The first Ctrl-C cancels the jobs at RunPod, the second one leaves them."""
    asked = False

    def interrupt() -> None:
        nonlocal asked
        if asked:
            following.cancel()
            return
        asked = True
        terminal.say("cancelling at RunPod… (press Ctrl-C again to leave at once; the job may then continue)")
        followed.cancel()

    if sys.platform == "win32":
        yield
        return
    loop, numbers = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
