"""Shows a transfer: bars with speed and time left on a terminal, a line a file elsewhere."""

import threading
import time

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_WORTH_A_SPEED = 1_000_000


class TransferDisplay:
    """Called from several threads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(binary_units=True))
        self._progress = Progress(
            *columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
        )
        self._bars: dict[str, tuple[TaskID, float, int]] = {}
        self._all: TaskID | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "TransferDisplay":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def expect(self, size: int) -> None:
        """Bytes of all files together."""
        self._all = self._progress.add_task("all", total=size)

    def begin(self, name: str, size: int) -> None:
        with self._lock:
            bar = self._progress.add_task(name, total=size)
            self._bars[name] = (bar, time.monotonic(), size)

    def advance(self, name: str, count: int) -> None:
        with self._lock:
            if name in self._bars:
                self._progress.advance(self._bars[name][0], count)
            if self._all is not None:
                self._progress.advance(self._all, count)

    def end(self, name: str, done: str, kept: int = 0) -> None:
        """*done* is what happened to the file: ``sent``, ``checked``; *kept* bytes of it were there before."""
        with self._lock:
            bar, began, size = self._bars.pop(name)
            self._progress.remove_task(bar)
        took_s = max(time.monotonic() - began, 0.001)
        before = f", {decimal(kept)} of it earlier" if kept else ""
        speed = f"  {decimal(int((size - kept) / took_s))}/s" if size - kept > _WORTH_A_SPEED else ""
        self.say(f"{done}  {name}  {decimal(size)}{before}{speed}")

    def give_up(self, name: str, reason: str) -> None:
        with self._lock:
            if name in self._bars:
                self._progress.remove_task(self._bars.pop(name)[0])
        self.say(f"FAILED  {reason}")
