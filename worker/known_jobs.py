"""Which of RunPod's jobs ran a prompt, for a proxy that sent it and never heard RunPod's answer."""

import logging
import re
from collections.abc import Callable, Iterable
from pathlib import Path

logger = logging.getLogger(__name__)

KEPT_S = 24 * 3600.0
"""RunPod forgets a job half an hour after its end, and ends it after a day in the queue"""
_PROMPT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class KnownJobs:
    """A small file for each prompt in *folder*; *clock* counts seconds since the epoch. Methods block.

    A job runs even when the folder cannot be written.
    """

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self._folder, self._clock = folder, clock

    def remember(self, prompt_id: str, job_id: str) -> None:
        """The prompt is about to run. Prompts without a UUID are not remembered: nobody asks for them."""
        if not job_id or not _PROMPT_ID.fullmatch(prompt_id):
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._forget_old()
            (self._folder / prompt_id).write_text(job_id, encoding="utf-8")
        except OSError as error:
            logger.warning("%s: its job is not remembered: %s", prompt_id, error)

    def found(self, prompt_ids: Iterable[str]) -> dict[str, str]:
        """The jobs of those prompts that are known."""
        files = {one: self._folder / one for one in prompt_ids if _PROMPT_ID.fullmatch(one)}
        return {prompt_id: job_id for prompt_id, file in files.items() if (job_id := _text(file))}

    def _forget_old(self) -> None:
        for file in self._folder.iterdir():
            if self._clock() - file.stat().st_mtime > KEPT_S:
                file.unlink(missing_ok=True)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
