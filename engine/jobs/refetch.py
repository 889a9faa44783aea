"""Fetches again what was lost of a paid result on its way, by a short job that runs nothing.

A reply of RunPod's stream is handed out once: a program that is killed with one in its hands has lost it. The worker
keeps its outputs for a while. With several workers each job may reach one that does not have the file.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from engine.files.results import ResultFiles
from engine.jobs.retry import Retry
from engine.jobs.submissions import Submissions
from engine.runpod.endpoint import Endpoint, EndpointRejected, JobGone, SubmissionUncertain
from engine.runpod.replies import TERMINAL
from engine.store.runpod_jobs import RunPodJobs, SentState
from wire.batch import decode_pieces
from wire.errors import WireError
from wire.events import FileChunk, WorkerFailed
from wire.files import FileRef, Wanted
from wire.ids import PromptId, RunPodJobId
from wire.job import JobRequest, encode_request

logger = logging.getLogger(__name__)

DEADLINE_S = 600.0
"""after that a refetch is given up and stopped"""
_WAIT_MS = 10_000
_DOING = "fetch again what was lost of the results"


class Refetch:
    """Of one job."""

    def __init__(
        self,
        prompt_id: PromptId,
        files: ResultFiles,
        runpod_jobs: RunPodJobs,
        submissions: Submissions,
        retry: Retry,
    ) -> None:
        self._prompt_id, self._files, self._runpod_jobs = prompt_id, files, runpod_jobs
        self._submissions, self._retry = submissions, retry

    async def fetch(self, endpoint: Endpoint, run: str, files: Sequence[FileRef]) -> None:
        """Appends to the part files of *files* what a worker sends; whether they are whole now, their SHA-256 tells.

        Raises EndpointUnavailable when no job could be sent.
        """
        by_content = {file.sha256: file for file in files}
        try:
            number, runpod_id, order = await self._under_way(endpoint, run, by_content)
        except (EndpointRejected, SubmissionUncertain) as error:
            logger.warning("%s: %s", self._prompt_id, error)
            return
        state = SentState.STOPPING
        try:
            async with asyncio.timeout(DEADLINE_S):
                await self._follow(endpoint, runpod_id, run, [by_content.get(sha256) for sha256 in order])
            state = SentState.ENDED
        except (EndpointRejected, JobGone, WireError, TimeoutError) as error:
            logger.warning("%s: %s", self._prompt_id, error or "the refetch took too long")
        self._runpod_jobs.became(number, state)

    async def _under_way(
        self, endpoint: Endpoint, run: str, files: Mapping[str, FileRef]
    ) -> tuple[int, RunPodJobId, Sequence[str]]:
        """The job of before a restart, else a new one: its number, its id, and the SHA-256 in its order."""
        known = self._runpod_jobs.open_refetch(self._prompt_id)
        if known is not None and known.runpod_id is not None and known.endpoint_id == endpoint.id:
            return known.number, known.runpod_id, known.wanted
        wanted = tuple([await self._wanted(run, file) for file in files.values()])
        body = encode_request(JobRequest(workflow={}, collect=wanted))
        number, runpod_id = await self._submissions.refetch(self._prompt_id, endpoint, body, list(files))
        return number, runpod_id, list(files)

    async def _wanted(self, run: str, file: FileRef) -> Wanted:
        start = await self._files.received(self._prompt_id, run, file)
        fields = file.model_dump(include={"filename", "subfolder", "type", "sha256"})
        return Wanted(**fields, start=start)

    async def _follow(
        self, endpoint: Endpoint, runpod_id: RunPodJobId, run: str, files: Sequence[FileRef | None]
    ) -> None:
        """Read the job's stream to its end."""
        heard = 0

        async def take(output: Any) -> None:
            nonlocal heard
            heard += 1
            for item in chain.from_iterable(piece.events for piece in decode_pieces(output)):
                if isinstance(item.event, FileChunk):
                    await self._append(run, files, item.event)
                elif isinstance(item.event, WorkerFailed):
                    logger.warning("%s: %s", self._prompt_id, item.event.message[:500])

        status = ""
        while status not in TERMINAL or heard:
            heard = 0
            status = await self._retry.until(lambda: endpoint.follow(runpod_id, _WAIT_MS, take), _DOING)

    async def _append(self, run: str, files: Sequence[FileRef | None], chunk: FileChunk) -> None:
        file = files[chunk.transfer] if chunk.transfer < len(files) else None
        if file is not None:
            await self._retry.until(lambda: self._files.append(self._prompt_id, run, file, chunk), _DOING)
