"""Shows running jobs to a person: bars on a terminal, lines elsewhere, always on stderr. Results go to stdout."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from client.send.following import Following
from engine.messages.translate import BrowserMessage
from storage.atomic import atomic
from wire.comfy import Message, PreviewFrame
from wire.ids import ClientId, PromptId
from wire.plain_text import one_line, printable


class Terminal:
    """The dispatcher's Publisher. *changed* is set whenever something was told; *preview* keeps the newest picture."""

    def __init__(self, console: Console, preview: Path | None = None) -> None:
        self.changed = asyncio.Event()
        self.console = console
        self._preview = preview
        self._jobs: dict[str, Following] = {}
        self._bars: dict[str, TaskID] = {}
        self._runpod_ids: dict[str, Callable[[], str | None]] = {}
        columns = (TextColumn("{task.fields[about]}", markup=False), BarColumn(), TextColumn("{task.fields[step]}"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal)

    def __enter__(self) -> "Terminal":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def expect(self, prompt_id: str, prompt: Mapping[str, Any], runpod_id: Callable[[], str | None]) -> None:
        """A job that will be told of; *runpod_id* is asked until it is known, and then said once."""
        self._runpod_ids[prompt_id] = runpod_id
        self._jobs[prompt_id] = following = Following(prompt)
        self._bars[prompt_id] = self._progress.add_task("", total=following.nodes or None, about="submitting", step="")

    def error(self, prompt_id: str) -> str | None:
        """What went wrong with a job."""
        return self._jobs[prompt_id].error

    def say(self, text: str) -> None:
        """A line for the person, above the bars."""
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    # -- Publisher

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        following = self._jobs[prompt_id]
        self._say_id(prompt_id)
        for message in messages:
            if isinstance(message, PreviewFrame):
                self._show_preview(message)
            elif isinstance(message, Message) and (text := following.hear(message)):
                self._tell(prompt_id, text)
        self._draw(prompt_id, following)
        self.changed.set()

    def publish_status(self) -> None:
        self.changed.set()

    def notice(self, severity: str, summary: str, detail: str) -> None:
        self.say(f"{summary}: {detail}")

    # -- drawing

    def _say_id(self, prompt_id: str) -> None:
        if prompt_id in self._runpod_ids and (runpod_id := self._runpod_ids[prompt_id]()):
            del self._runpod_ids[prompt_id]
            self.say(f"job {runpod_id}")

    def _tell(self, prompt_id: str, text: str) -> None:
        if not self.console.is_terminal:
            number = list(self._jobs).index(prompt_id) + 1
            self.say(f"[{number}/{len(self._jobs)}] {text}" if len(self._jobs) > 1 else text)

    def _draw(self, prompt_id: str, following: Following) -> None:
        steps = f"{following.step:g}/{following.steps:g}" if following.steps else ""
        part = following.step / following.steps if following.steps else 0.0
        done = min(len(following.finished) + part, following.nodes)
        self._progress.update(self._bars[prompt_id], about=one_line(following.text), step=steps, completed=done)

    def _show_preview(self, frame: PreviewFrame) -> None:
        if self._preview is None:
            return
        try:
            with atomic(self._preview, part=self._preview.with_name(f".{self._preview.name}.part")) as part:
                part.write_bytes(frame.image)
        except OSError as error:
            self.say(f"--preview {self._preview}: cannot be written: {error.strerror}")
            self._preview = None
