"""Which ComfyUI and which endpoint ``make proxy`` uses, what it starts, and what it prints about that. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import urlsplit

from engine.errors import CannotStart
from engine.runpod.sandbox import SANDBOX_ID, sandbox_url

_RUNPOD = "https://api.runpod.ai/v2"
_LISTEN_HOSTS = {"localhost": "127.0.0.1", "127.0.0.1": "127.0.0.1", "::1": "::1"}


@dataclass(frozen=True, slots=True)
class Checkout:
    """A ComfyUI checkout; *python* is None when no interpreter was found for it."""

    home: PurePath
    python: PurePath | None


@dataclass(frozen=True, slots=True)
class Situation:
    """What the person set and what this machine has."""

    comfyui_url: str
    comfyui_answers: bool
    checkout: Checkout | None
    gpu: bool
    endpoint_ids: tuple[str, ...]
    endpoint_base_url: str
    sandbox_port: int
    sandbox_workers: int
    sandbox_cold_start_s: float
    sandbox_key: str | None = field(repr=False)
    """of clients; None lets the sandbox endpoint accept any"""
    python: PurePath
    """our own interpreter"""
    project: PurePath
    data: PurePath
    hosts: tuple[str, ...] = ()
    """names under which pages reach ComfyUI through the proxy, beside those of this machine"""


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start; *name* names its log, *folders* must exist first, *secrets* are variables for it alone."""

    name: str
    argv: tuple[str, ...]
    cwd: PurePath
    folders: tuple[PurePath, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class StackPlan:
    """What to start, what to print, and the address of the sandbox endpoint if that is the one in use."""

    commands: tuple[Command, ...]
    lines: tuple[str, ...]
    sandbox_endpoint_url: str | None
    stand_in: bool = False
    """the ComfyUI is the sandbox and the endpoint is a real one: the page shows the endpoint's nodes and models"""


def plan(situation: Situation) -> StackPlan:
    """The plan for *situation*; raises CannotStart."""
    comfyui, comfyui_line = _comfyui(situation)
    endpoint, endpoint_line = _endpoint(situation)
    is_sandbox = comfyui is not None and situation.checkout is None
    return StackPlan(
        commands=tuple(command for command in (comfyui, endpoint) if command),
        lines=(comfyui_line, endpoint_line),
        sandbox_endpoint_url=sandbox_url(situation.sandbox_port) if endpoint else None,
        stand_in=is_sandbox and endpoint is None,
    )


def _comfyui(situation: Situation) -> tuple[Command | None, str]:
    url = situation.comfyui_url
    if situation.comfyui_answers:
        return None, f"ComfyUI:  running at {url} (COMFYUI_URL)"
    listen = _listen_arguments(url)
    if situation.checkout:
        argv = (_interpreter(situation.checkout), "main.py", *listen, *_cpu(situation))
        command = Command("comfyui", argv, situation.checkout.home)
        return command, f"ComfyUI:  {situation.checkout.home}, started at {url} (COMFYUI_DIR, COMFYUI_URL)"
    home = situation.project / "sandbox" / "comfyui"
    folders = {name: situation.data / "sandbox" / name for name in ("input", "output", "temp", "user")}
    directories = (argument for name, path in folders.items() for argument in (f"--{name}-directory", str(path)))
    hosts = (f"--allow-host={name}" for name in situation.hosts)
    argv = (str(situation.python), "main.py", *listen, *directories, *hosts, *_cpu(situation))
    what = "the page alone, with the endpoint's nodes and models" if situation.endpoint_ids else "the sandbox"
    line = f"ComfyUI:  {what}, started at {url}; to use your own, set COMFYUI_DIR or start it there"
    return Command("comfyui", argv, home, tuple(folders.values())), line


def _listen_arguments(url: str) -> tuple[str, ...]:
    """Where a ComfyUI must listen for *url* to reach it."""
    parts = urlsplit(url)
    host = _LISTEN_HOSTS.get(parts.hostname or "")
    if host is None or parts.scheme != "http":
        raise CannotStart(
            f"COMFYUI_URL={url}: nothing answers there, and a ComfyUI can be started on this machine only"
        )
    return ("--listen", host, "--port", str(parts.port or 80))


def _interpreter(checkout: Checkout) -> str:
    if checkout.python is None:
        raise CannotStart(
            f"COMFYUI_PYTHON: not set, and {checkout.home} has no .venv or venv; name the Python that runs this ComfyUI"
        )
    return str(checkout.python)


def _cpu(situation: Situation) -> tuple[str, ...]:
    return () if situation.gpu else ("--cpu",)


def _endpoint(situation: Situation) -> tuple[Command | None, str]:
    if situation.endpoint_ids:
        ids, base_url = ", ".join(situation.endpoint_ids), situation.endpoint_base_url
        where = "on RunPod (RUNPOD_ENDPOINT_ID)" if base_url == _RUNPOD else f"at {base_url} (RUNPOD_ENDPOINT_BASE_URL)"
        return None, f"Endpoint: {ids} {where}"
    url = sandbox_url(situation.sandbox_port)
    line = f"Endpoint: the sandbox, started at {url}; to use a GPU, set RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID"
    return sandbox_endpoint(situation), line


def sandbox_endpoint(situation: Situation) -> Command:
    """The command that serves the sandbox endpoint; raises CannotStart."""
    argv = (
        *(str(situation.python), "-m", "sandbox.endpoint", "--port", str(situation.sandbox_port)),
        *("--workers", str(situation.sandbox_workers), "--cold-start", f"{situation.sandbox_cold_start_s:g}"),
        *("--home", str(situation.data / "sandbox" / "endpoint")),
        *_worker_comfyui(situation),
    )
    key = situation.sandbox_key
    secrets = {} if key is None else {"SANDBOX_API_KEY": key}  # other users see the arguments of a process
    return Command("endpoint", argv, situation.project, secrets=secrets)


def client_variables(sandbox_port: int) -> tuple[str, ...]:
    """The variables that point a client at the sandbox endpoint, as lines of an .env file."""
    return (
        f"RUNPOD_ENDPOINT_BASE_URL={sandbox_url(sandbox_port)}",
        f"RUNPOD_ENDPOINT_ID={SANDBOX_ID}",
        "RUNPOD_API_KEY=sandbox",
    )


def _worker_comfyui(situation: Situation) -> tuple[str, ...]:
    """What the sandbox's workers drive: the checkout, else the sandbox ComfyUI, which is the endpoint's default."""
    arguments = tuple(f"--comfyui-args={argument}" for argument in _cpu(situation))
    if situation.checkout is None:
        return arguments
    python = _interpreter(situation.checkout)
    return ("--comfyui-home", str(situation.checkout.home), "--comfyui-python", python, *arguments)
