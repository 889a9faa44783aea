"""What this machine has: a free port, a ComfyUI that answers, a checkout that can be started, a GPU."""

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from proxy.core.stack_plan import CannotStart, Checkout
from proxy.occupant import occupant

if sys.platform != "win32":
    import fcntl

_PROBE_TIMEOUT_S = 3.0
_POLL_S = 0.05


def require_free(host: str, port: int, variable: str) -> None:
    """Raises CannotStart when nothing can listen at *host* and *port*."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                who = occupant(port) or "another program"
                raise CannotStart(f"{variable}={port}: {who} listens there; stop it or choose another port") from None
            raise CannotStart(f"{variable}={port}: cannot listen at {host}: {error.strerror}") from None


@contextlib.contextmanager
def claimed(home: Path) -> Iterator[None]:
    """Makes *home* ours for the block; raises CannotStart when another proxy, which would run the same jobs, has it.

    The claim ends with the process, however it ends.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "proxy.lock").open("a") as claim:
        if sys.platform != "win32":
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotStart(f"COMFY_RUNPOD_HOME={home}: another proxy uses it; stop that one first") from None
        yield


async def comfyui_answers(url: str) -> bool:
    """Whether a ComfyUI is at *url*; raises CannotStart when something else is.

    One that accepts the connection and is slow to answer counts: ComfyUI answers late while it loads its nodes.
    """
    timeout = aiohttp.ClientTimeout(total=_PROBE_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/system_stats") as response:
            if response.status == 200:
                return True
            raise CannotStart(f"COMFYUI_URL={url}: something answers there ({response.status}), but it is no ComfyUI")
    except TimeoutError:
        return await _accepts(url)
    except aiohttp.ClientConnectorError:
        return False
    except aiohttp.ClientError as error:
        raise CannotStart(f"COMFYUI_URL={url}: something answers there, but it is no ComfyUI: {error}") from error


async def _accepts(url: str) -> bool:
    address = urlsplit(url)
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            _, writer = await asyncio.open_connection(address.hostname, address.port or 80)
    except OSError:
        return False
    writer.close()
    return True


def find_checkout(chosen: Path | None, python: Path | None, fallback: Path) -> Checkout | None:
    """The ComfyUI to start: the *chosen* one, else *fallback* if it can be started."""
    if chosen:
        return Checkout(chosen, python or _own_interpreter(chosen))
    if (fallback / "main.py").is_file() and (found := python or _own_interpreter(fallback)):
        return Checkout(fallback, found)
    return None


def _own_interpreter(checkout: Path) -> Path | None:
    folders = (checkout / ".venv", checkout / "venv")
    candidates = [folder / tail for folder in folders for tail in ("bin/python", "Scripts/python.exe")]
    portable = checkout.parent / "python_embeded" / "python.exe"
    return next((path for path in (*candidates, portable) if path.is_file()), None)


async def has_gpu(platform: str, devices: Path = Path("/dev")) -> bool:
    """Whether ComfyUI finds a GPU here; on a Mac it decides for itself."""
    if platform == "darwin" or (devices / "nvidia0").exists() or (devices / "kfd").exists():
        return True
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            process = await asyncio.create_subprocess_exec(
                "nvidia-smi", "-L", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
            )
            output, _ = await process.communicate()
    except (OSError, TimeoutError):
        return False
    return process.returncode == 0 and bool(output.strip())


async def wait_until_listening(host: str, port: int, timeout_s: float) -> bool:
    """Whether something accepted a connection at *host* and *port* within *timeout_s*."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            while True:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(host, port)
                    writer.close()
                    return True
                await asyncio.sleep(_POLL_S)
    return False
