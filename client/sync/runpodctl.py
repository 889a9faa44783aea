"""``runpodctl send``: starts it, finds the code that it prints, and waits until the other side has the file."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from client.sync.transfer_code import transfer_code

_TAIL = 5


class RunpodctlMissing(Exception):
    """runpodctl is not installed."""

    def __init__(self) -> None:
        super().__init__("runpodctl is not installed: https://github.com/runpod/runpodctl/releases")


class TransferFailed(Exception):
    """runpodctl ended without sending the file; the text is what it printed."""


def require_runpodctl() -> str:
    """Its path; raises RunpodctlMissing."""
    if found := shutil.which("runpodctl"):
        return found
    raise RunpodctlMissing


async def send(program: str, file: Path, on_code: Callable[[str], None]) -> None:
    """Offer *file*, an absolute path, and wait until it was fetched.

    *on_code* is called once, with what the other side has to type.
    Raises TransferFailed. Cancelling ends the offer. Versions 2 end with status 0 on some failures: without a code
    nothing was sent, and with one only the receiver knows that all arrived, so extraction checks every file.
    """
    process = await asyncio.create_subprocess_exec(
        *(program, "send", file.name),
        cwd=file.parent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said: list[str] = []
    try:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        code: str | None = None
        async for raw in process.stdout:
            said.append(raw.decode(errors="replace").strip())
            if code is None and (code := transfer_code(said[-1])):
                on_code(code)
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if code is None or status != 0:
        raise TransferFailed(f"runpodctl send failed (status {status}): {' / '.join(filter(None, said[-_TAIL:]))}")
