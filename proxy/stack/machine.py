"""What this machine has: a ComfyUI checkout that can be started, a GPU."""

import asyncio
from pathlib import Path

from proxy.stack.plan import Checkout

_PROBE_TIMEOUT_S = 3.0


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
