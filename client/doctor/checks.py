"""Checks of the set-up: each looks at one thing and reports what it found. None of them changes or starts anything."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from client.doctor.catalog import compare
from client.doctor.finding import Finding, workers_finding
from client.doctor.probe import ProbeFailed, worker_protocol
from engine.comfyui import ComfyUI, ComfyUIRejected, ComfyUIUnavailable, comfyui_answers
from engine.comfyui_folders import Whereabouts
from engine.errors import CannotStart
from engine.files.s3_settings import NotSet, bucket, volume
from engine.ports import require_free, wait_until_listening
from engine.runpod.endpoint import Endpoint, EndpointRejected, EndpointUnavailable, JobGone
from engine.runpod.endpoints import runpod_endpoints, sandbox_endpoints
from engine.runpod.sandbox import SANDBOX_HOST, SANDBOX_ID, sandbox_url
from engine.runpod.sandbox_key import sandbox_key
from engine.settings import PROJECT, Settings, is_loopback, readable_secret
from storage.objects import S3Location, StorageRefused
from storage.s3 import Bucket
from wire.errors import Unavailable
from wire.files import Folder
from wire.limits import PROTOCOL

_OLDEST_COMFYUI = (0, 3, 64)
_FOLDERS: tuple[Folder, ...] = ("input", "output")
_DISK_MIN = 2 * 1024**3
_CLOCK_S = 300
"""S3 servers refuse requests from a clock that is 15 minutes off; RunPod's allows an hour"""
_PROBE_S = 240.0
_ENDPOINT_ERRORS = (EndpointRejected, EndpointUnavailable, JobGone)


async def examine(settings: Settings, *, ask_worker: bool) -> list[Finding]:
    """Everything that can be checked, in the order in which a person would look at it."""
    async with aiohttp.ClientSession() as session:
        checks: list[Awaitable[Iterable[Finding]]] = [
            _one(check_python),
            _ports(settings, session),
            _comfyui(settings, session),
            _endpoints(settings, ask_worker=ask_worker),
            _both_ends(settings, session),
            asyncio.to_thread(_storage, "volume", lambda: _volume_place(settings)),
            asyncio.to_thread(_storage, "bucket", lambda: bucket(settings)),
            _one(lambda: check_disk(settings.comfy_runpod_home)),
            _one(check_runpodctl),
            _one(lambda: check_env_file(PROJECT / ".env")),
        ]
        return [finding for found in await asyncio.gather(*checks) for finding in found]


async def _one(check: Callable[[], Finding]) -> Iterable[Finding]:
    return (await asyncio.to_thread(check),)


# -- this machine


def check_python() -> Finding:
    version, mark = ".".join(map(str, sys.version_info[:3])), PROJECT / ".venv" / ".ready"
    if mark.exists() and mark.stat().st_mtime < (PROJECT / "uv.lock").stat().st_mtime:
        return Finding("python", "wrong", f"{version}; .venv is older than uv.lock", "run 'make setup'")
    return Finding("python", "ok", f"{version}, {sys.executable}")


def check_disk(home: Path) -> Finding:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 1024**3:.1f} GiB free for {home} (COMFY_RUNPOD_HOME)"
    if free < _DISK_MIN:
        return Finding("disk", "wrong", detail, "free some space: RunPod keeps a result for 30 minutes only")
    return Finding("disk", "ok", detail)


def check_env_file(path: Path) -> Finding:
    if name := readable_secret(path):
        detail = f"other users of this machine can read {name} in {path}"
        return Finding("secrets", "wrong", detail, f"run: chmod 600 {path}")
    return Finding("secrets", "ok", f"nobody else can read a key in {path}")


def check_runpodctl() -> Finding:
    if found := shutil.which("runpodctl"):
        return Finding("runpodctl", "ok", found)
    mend = "only sync-models.py --method archive needs it: https://github.com/runpod/runpodctl/releases"
    return Finding("runpodctl", "skipped", "not installed", mend)


async def _ports(settings: Settings, session: aiohttp.ClientSession) -> list[Finding]:
    proxy = f"http://{SANDBOX_HOST}:{settings.proxy_port}/runpod/api/status"
    found = [await _port("PROXY_PORT", settings.proxy_host, settings.proxy_port, _answers(session, proxy))]
    if not settings.endpoint_ids:
        url = f"{sandbox_url(settings.sandbox_port)}/{SANDBOX_ID}/health"
        key = sandbox_key(settings.comfy_runpod_home).get_secret_value()
        ours = _answers(session, url, Authorization=f"Bearer {key}")
        found.append(await _port("SANDBOX_PORT", SANDBOX_HOST, settings.sandbox_port, ours))
    return found


async def _port(variable: str, host: str, port: int, ours: Awaitable[bool]) -> Finding:
    if await ours:
        return Finding("port", "ok", f"{variable}={port}: in use by this project")
    try:
        await asyncio.to_thread(require_free, host, port, variable)
    except CannotStart as error:
        return Finding("port", "wrong", str(error), f"set {variable} in .env, or stop that program")
    return Finding("port", "ok", f"{variable}={port}: free")


async def _answers(session: aiohttp.ClientSession, url: str, **headers: str) -> bool:
    """Whether one of our servers is there. A proxy that asks for PROXY_TOKEN is one; it need not be told the token,
    which a program of somebody else at this port would get as well.
    """
    try:
        async with session.get(url, headers=headers, timeout=aiohttp.ClientTimeout(total=3)) as response:
            return response.status == 200 or "comfy-runpod" in response.headers.get("WWW-Authenticate", "")
    except (aiohttp.ClientError, TimeoutError):
        return False


# -- ComfyUI


async def _comfyui(settings: Settings, session: aiohttp.ClientSession) -> list[Finding]:
    url = settings.comfyui_url
    try:
        answers = await comfyui_answers(url)
    except CannotStart as error:
        return [Finding("comfyui", "wrong", str(error), "set COMFYUI_URL to the address of ComfyUI")]
    if answers:
        comfyui = ComfyUI(url, session, elsewhere=settings.comfyui_remote)
        return [_version(url, await comfyui.version()), *await _folders(comfyui)]
    if not is_loopback(urlsplit(url).hostname or ""):
        return [Finding("comfyui", "wrong", f"{url} does not answer", "start it there, or change COMFYUI_URL")]
    starts = settings.comfyui_dir or PROJECT / "docker" / "ComfyUI"
    what = str(starts) if (starts / "main.py").is_file() else "the sandbox; set COMFYUI_DIR to use your own"
    return [Finding("comfyui", "skipped", f"nothing at {url}", f"'make proxy' starts {what}")]


def _version(url: str, version: str | None) -> Finding:
    if version is None:
        return Finding(
            "comfyui", "wrong", f"{url} accepts connections but does not answer", "wait until it has started"
        )
    if _numbers(version) < _OLDEST_COMFYUI:
        oldest = ".".join(map(str, _OLDEST_COMFYUI))
        return Finding("comfyui", "wrong", f"{version} at {url} is too old", f"update it to {oldest} or newer")
    return Finding("comfyui", "ok", f"{version} at {url}")


def _numbers(version: str) -> tuple[int, ...]:
    """A version that is not made of numbers counts as new."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (sys.maxsize,)


async def _folders(comfyui: ComfyUI) -> list[Finding]:
    try:
        found = [(folder, *await comfyui.find_folder(folder)) for folder in _FOLDERS]
    except (ComfyUIUnavailable, ComfyUIRejected) as error:
        return [Finding("folders", "wrong", str(error), "try again when ComfyUI has started")]
    return [_folder(folder, whereabouts, path) for folder, whereabouts, path in found]


def _folder(folder: Folder, whereabouts: Whereabouts, path: Path | None) -> Finding:
    match whereabouts:
        case Whereabouts.HERE:
            return Finding("folders", "ok", f"{folder}: {path}")
        case Whereabouts.ELSEWHERE:
            detail = f"{folder}: not on this machine, so files go through ComfyUI, which takes up to --max-upload-size"
            return Finding("folders", "ok", detail)
        case Whereabouts.UNKNOWN:
            mend = "set COMFYUI_REMOTE=1 if ComfyUI runs in a container or on another machine"
            return Finding("folders", "wrong", f"{folder}: the folder that ComfyUI uses was not recognised", mend)


# -- RunPod


async def _endpoints(settings: Settings, *, ask_worker: bool) -> list[Finding]:
    if settings.endpoint_ids:
        chosen = runpod_endpoints(settings)
    elif await wait_until_listening(SANDBOX_HOST, settings.sandbox_port, 0.3):
        chosen = sandbox_endpoints(sandbox_url(settings.sandbox_port), settings)
    else:
        mend = "'make proxy' starts the sandbox; to use a GPU, set RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID"
        return [Finding("endpoint", "skipped", "RunPod is not set up", mend)]
    async with chosen as endpoints:
        found = [finding for endpoint in endpoints for finding in await _endpoint(endpoint, ask_worker=ask_worker)]
        return [*found, await _clock(endpoints[0])]


async def _both_ends(settings: Settings, session: aiohttp.ClientSession) -> Iterable[Finding]:
    comfyui = None
    with contextlib.suppress(CannotStart):  # said by another check
        if await comfyui_answers(settings.comfyui_url):
            comfyui = ComfyUI(settings.comfyui_url, session, elsewhere=settings.comfyui_remote)
    return await compare(settings, settings.endpoint_ids or (SANDBOX_ID,), comfyui)


async def _endpoint(endpoint: Endpoint, *, ask_worker: bool) -> list[Finding]:
    try:
        health = await endpoint.health()
    except _ENDPOINT_ERRORS as error:
        mend = "RunPod shows a key once, when you create it (Settings, API keys); the id is on the endpoint's page"
        return [Finding("endpoint", "wrong", f"{endpoint.id}: {error}", mend)]
    jobs = ", ".join(f"{count} {state}" for state, count in health.jobs.items() if count) or "no jobs"
    reached = Finding("endpoint", "ok", f"{endpoint.id}: the key is accepted; {jobs}")
    return [reached, workers_finding("workers", dict(health.workers)), await _protocol(endpoint, ask=ask_worker)]


async def _protocol(endpoint: Endpoint, *, ask: bool) -> Finding:
    if not ask:
        mend = "run doctor.py --worker; that may start a worker, which costs money"
        return Finding("worker", "skipped", f"not checked; this proxy uses protocol {PROTOCOL}", mend)
    try:
        spoken = await worker_protocol(endpoint, _PROBE_S)
    except ProbeFailed as error:
        return Finding(
            "worker", "wrong", str(error), "build and deploy the image of this version, with WORKER_STREAM=1"
        )
    return Finding("worker", "ok", f"uses protocol {spoken}, like this proxy")


async def _clock(endpoint: Endpoint) -> Finding:
    try:
        theirs = await endpoint.date()
    except _ENDPOINT_ERRORS:
        theirs = None
    if theirs is None:
        return Finding("clock", "skipped", "the endpoint's answer has no date")
    off_s = abs((datetime.now(UTC) - theirs.astimezone(UTC)).total_seconds())
    if off_s > _CLOCK_S:
        return Finding(
            "clock", "wrong", f"{off_s:.0f} s off RunPod's", "correct it: S3 refuses requests with a wrong time"
        )
    return Finding("clock", "ok", f"agrees with RunPod's within {max(off_s, 1):.0f} s")


# -- storage


def _volume_place(settings: Settings) -> S3Location:
    if settings.runpod_volume_id is None:
        raise NotSet("not set: RUNPOD_VOLUME_ID")
    return volume(settings, settings.runpod_volume_id)


def _storage(name: str, place: Callable[[], S3Location]) -> list[Finding]:
    try:
        chosen = place()
        Bucket(chosen, tries=2).require()
    except NotSet as error:
        return [Finding(name, "skipped", str(error))]
    except StorageRefused as error:
        mend = "check its keys, its name and its datacenter; the S3 key is not the API key"
        return [Finding(name, "wrong", str(error), mend)]
    except Unavailable as error:
        return [Finding(name, "wrong", str(error), "check the address, or try again later")]
    return [Finding(name, "ok", f"{chosen.name} at {chosen.url}")]
