"""A secret that a program prints, such as a password manager: RUNPOD_API_KEY_COMMAND, as git's credential helpers."""

import asyncio
import os
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress

_TIMEOUT_S = 60.0
"""for a person who has to unlock the password manager"""
_REST_S = 1.0
"""for the end of the output; a program that goes on in the background may keep it open for ever"""
_LINE_MAX = 4096


class CommandFailed(Exception):
    """The command has printed no secret; the text says why, and nothing of what it printed."""


def command_words(command: str) -> list[str]:
    """Program and arguments, split as a shell does but without a shell: ``sh -c '…'`` is for who wants one.

    Raises ValueError when *command* is not one.
    """
    windows = os.name == "nt"  # where a backslash is part of a path
    words = [word.strip('"') if windows else word for word in shlex.split(command, posix=not windows)]
    if not words:
        raise ValueError("is empty")
    return [os.path.expanduser(words[0]), *words[1:]]  # noqa: PTH111  Path would make x of ./x


def secret_printed_by(command: str, environ: Mapping[str, str], timeout_s: float = _TIMEOUT_S) -> str:
    """The first line that *command* prints. It runs once, without input; what it says on stderr the person sees.

    Raises CommandFailed. Not for a running event loop.
    """
    words = command_words(command)
    program = shutil.which(words[0], path=environ.get("PATH"))
    if program is None:
        raise CommandFailed("names a program that does not exist")
    return asyncio.run(_first_line((program, *words[1:]), environ, timeout_s))


class _Output(asyncio.SubprocessProtocol):
    """What is printed, as much as a line may have; the rest is read and forgotten."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.complete, self.ended = asyncio.Event(), asyncio.Event()

    def pipe_data_received(self, _: int, data: bytes) -> None:
        self.content += data[: _LINE_MAX - len(self.content)]

    def pipe_connection_lost(self, _: int, __: Exception | None) -> None:
        self.complete.set()

    def process_exited(self) -> None:
        self.ended.set()


async def _first_line(command: tuple[str, ...], environ: Mapping[str, str], timeout_s: float) -> str:
    loop, devnull, pipe = asyncio.get_running_loop(), asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    try:
        transport, output = await loop.subprocess_exec(
            _Output, *command, env=environ, stdin=devnull, stdout=pipe, stderr=None
        )
    except OSError as error:
        raise CommandFailed(f"cannot be started: {error.strerror}") from None
    try:
        await asyncio.wait_for(output.ended.wait(), timeout_s)
        await _within(output.complete, _REST_S)
    except TimeoutError:
        raise CommandFailed(f"did not end within {timeout_s:g} s") from None
    finally:
        transport.close()  # which kills it
        await _within(output.ended, _REST_S)
    if status := transport.get_returncode():
        raise CommandFailed(f"ended with exit status {status}; run it in a terminal to see why")
    return output.content.partition(b"\n")[0].decode(errors="replace").strip()


async def _within(event: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
