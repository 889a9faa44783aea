"""ComfyProcess: ComfyUI as a child of the worker. Started at once, its log kept, started again when it dies.

One thread owns the child from its start to its end. It must be a thread that lives as long as the worker does:
Linux ends the child (die_with_parent.py) with the *thread* that started it.
"""

import asyncio
import logging
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from wire.backoff import next_delay

logger = logging.getLogger(__name__)
comfyui_log = logging.getLogger("comfyui")
"""the lines that ComfyUI itself writes"""

_BACKOFF_S, _BACKOFF_MAX_S = 1.0, 30.0
_STOP_S = 2.0
"""for ComfyUI to end by itself; `docker stop` and RunPod are in a hurry"""
_SPAWN_S = 30.0
_POLL_S = 0.1
_ATTEMPTS = 2
"""deaths after which a waiting job fails"""
_LOG_LINES, _LOG_LINE_MAX = 400, 2000
_LOG_S = 1.0
"""for the last lines; a program that ComfyUI started may hold the pipe open for as long as it likes"""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_ENDED_BY_US = {-signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT}
_DIE_WITH_PARENT = Path(__file__).with_name("die_with_parent.py")


class ComfyUIDied(Exception):
    """ComfyUI does not run; when it is *beyond_help*, it does not come back either."""

    def __init__(self, message: str, *, beyond_help: bool = False) -> None:
        super().__init__(message)
        self.beyond_help = beyond_help


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ComfyProcess:
    """*home* is ComfyUI's checkout, where it runs; *user* is the user that it runs as, when the worker is root."""

    def __init__(self, home: Path, environ: Mapping[str, str] | None = None, user: str | None = None) -> None:
        self._home, self._user = home, user
        self._command: tuple[str, ...] = ()
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._environ = environ
        self._child: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="comfyui", daemon=True)
        self._problem: str | None = None
        self._kill_reason: str | None = None
        self.deaths = 0
        """how often ComfyUI has ended, or could not be started"""

    def start(self, command: Sequence[str]) -> None:
        """Starts *command*, and starts it again whenever it ends.

        Returns when the process runs, or cannot: a fork meanwhile (RunPod's SDK forks for its heartbeat) would inherit
        the pipe through which the new process reports that it runs, and we would wait for it for ever.
        """
        self._command = tuple(command)
        self._thread.start()
        self._settled.wait(_SPAWN_S)

    def stop(self) -> None:
        """Ends ComfyUI and waits for it; the second call does nothing."""
        with self._lock:
            self._stopping.set()
            self._wanted.set()
            child = self._child
        if child is not None:
            _end(child)
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)

    def kill(self, reason: str) -> None:
        """Ends a ComfyUI that is of no use any more; it is started again. *reason* is a sentence."""
        with self._lock:
            if self._child is not None and self._child.poll() is None:
                self._kill_reason = reason
                self._child.kill()

    async def end(self, reason: str, life: int) -> None:
        """Kills the ComfyUI that runs since *life* deaths, and waits until it is gone; a later one is left alone."""
        if self.deaths == life:
            self.kill(reason)
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                while self.deaths == life:  # noqa: ASYNC110  a thread counts them
                    await asyncio.sleep(_POLL_S)

    @property
    def pid(self) -> int | None:
        """Of the ComfyUI that runs."""
        child = self._child
        return None if child is None else child.pid

    def log_tail(self, lines: int = 40) -> list[str]:
        return list(self._log)[-lines:]

    def last_death(self) -> str:
        """One sentence about the last death."""
        return self._problem or "ComfyUI ended"

    async def wait_ready(self, answers: Callable[[], Awaitable[bool]]) -> None:
        """Returns when ComfyUI *answers*; waits as long as it lives. Raises ComfyUIDied when it dies repeatedly."""
        before = self.deaths
        self._wanted.set()
        while not (self._child is not None and await answers()):
            if self.deaths - before >= _ATTEMPTS:
                sentence = f"{self.last_death()}. Starting it again did not help."
                raise ComfyUIDied(sentence, beyond_help=True)
            if self.deaths > before:
                self._wanted.set()
            await asyncio.sleep(_POLL_S)

    def _supervise(self) -> None:
        attempts = 0
        while not self._stopping.is_set():
            status = self._run_once()
            self._child = None
            self.deaths += 1
            if self._stopping.is_set():
                return
            logger.error("%s; starting it again", self._problem)
            self._wanted.clear()
            # ended from outside, most likely with us: only a job is a reason to come back
            delay_s = next_delay(attempts, base_s=_BACKOFF_S, cap_s=_BACKOFF_MAX_S)
            self._wanted.wait(None if status in _ENDED_BY_US else delay_s)
            attempts += 1

    def _run_once(self) -> int | None:
        """The exit status, or None when it could not be started."""
        child = self._spawned() if self._startable() else None
        self._settled.set()
        if child is None:
            return None
        reader = threading.Thread(target=self._forward, args=(child,), name="comfyui log", daemon=True)
        reader.start()
        status = child.wait()
        reader.join(_LOG_S)
        with self._lock:
            self._problem, self._kill_reason = self._kill_reason or _explained(status), None
        return status

    def _startable(self) -> bool:
        if not (self._home / "main.py").is_file():
            self._problem = f"there is no ComfyUI in {self._home} (COMFYUI_HOME): main.py is missing"
            return False
        if shutil.which(self._command[0]) is None:
            self._problem = f"ComfyUI cannot be started: there is no {self._command[0]} (COMFYUI_PYTHON)"
            return False
        if self._user is not None and not _exists(self._user):
            self._problem = f"ComfyUI cannot be started: there is no user {self._user} (COMFYUI_USER)"
            return False
        return True

    def _spawned(self) -> subprocess.Popen[str] | None:
        try:
            return self._spawn()
        except (OSError, subprocess.SubprocessError) as error:
            self._problem = f"ComfyUI cannot be started: {error}"
            return None

    def _spawn(self) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            self._child = subprocess.Popen(  # noqa: S603  the command is the worker's own
                [sys.executable, str(_DIE_WITH_PARENT), str(os.getpid()), *self._command],
                cwd=self._home,
                env=self._environ,
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else (),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            return self._child

    def _forward(self, child: subprocess.Popen[str]) -> None:
        assert child.stdout is not None  # noqa: S101  asked for above
        with child.stdout as lines:
            for line in lines:
                text = _COLOUR.sub("", line).rstrip()[:_LOG_LINE_MAX]
                self._log.append(text)
                comfyui_log.info("%s", text)


def _end(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(_STOP_S)


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _explained(status: int) -> str:
    if status == -signal.SIGKILL:
        return "ComfyUI was killed; most likely the worker ran out of memory"
    if status < 0:
        return f"ComfyUI was ended by {signal.Signals(-status).name}"
    return f"ComfyUI ended with exit status {status}"
