"""Collector: what of a paid result was lost on the way is asked for again, before anybody is told that it is lost.

A reply of RunPod's stream is handed out once: a proxy that is killed with one in its hands has lost it. The worker
keeps its outputs for a while, and a short job sends what is missing; it runs nothing.
"""

import logging
from typing import Any

from engine.files.results import FileDamaged, ResultFiles
from engine.jobs.retry import Retry
from engine.runpod.endpoint import TERMINAL, Endpoint, SubmissionUncertain
from wire.errors import WireError
from wire.events import FileChunk, NodeOutput, WorkerFailed, decode_batch
from wire.files import FileRef, Streamed, Wanted
from wire.ids import PromptId
from wire.job import JobRequest, encode_request

logger = logging.getLogger(__name__)

_ATTEMPTS = 4
"""each may reach another worker, which does not have the file"""
_WAIT_MS = 10_000


class Refetch:
    """For one job."""

    def __init__(self, prompt_id: PromptId, endpoint: Endpoint, files: ResultFiles, patience: Retry) -> None:
        self._prompt_id, self._endpoint, self._files, self._patience = prompt_id, endpoint, files, patience

    async def save(self, run: str, event: NodeOutput, *, cached: bool) -> NodeOutput:
        """As FileSync's, and files of which pieces are missing are completed first. Raises FileDamaged."""
        for attempt in range(_ATTEMPTS):
            try:
                return await self._saved(run, event, cached=cached)
            except FileDamaged as error:
                if error.file is None or not isinstance(error.file.source, Streamed):
                    raise
                logger.warning("%s: %s; asking for the rest (%d)", self._prompt_id, error, attempt + 1)
                await self._collect(run, error.file, error.file.source.transfer)
        return await self._saved(run, event, cached=cached)

    async def _saved(self, run: str, event: NodeOutput, *, cached: bool) -> NodeOutput:
        saved, _ = await self._patience.until(
            lambda: self._files.save(self._prompt_id, run, event, cached=cached), "save the results"
        )
        return saved

    async def _collect(self, run: str, file: FileRef, transfer: int) -> None:
        """Appends to the part file what a worker sends; whether it is whole now, its SHA-256 tells."""
        wanted = Wanted(
            filename=file.filename,
            subfolder=file.subfolder,
            type=file.type,
            sha256=file.sha256,
            start=await self._files.received(self._prompt_id, run, transfer),
        )
        body = encode_request(JobRequest(workflow={}, collect=(wanted,)))
        heard = 0

        async def take(output: Any) -> None:
            nonlocal heard
            heard += 1
            for item in decode_batch(output).events:
                if isinstance(item.event, FileChunk):
                    chunk = item.event.model_copy(update={"transfer": transfer})
                    await self._files.add_chunk(self._prompt_id, run, chunk)
                elif isinstance(item.event, WorkerFailed):
                    logger.warning("%s: %s", self._prompt_id, item.event.message)

        try:
            job = await self._patience.until(lambda: self._endpoint.run(body), "collect the result")
            status = ""
            while status not in TERMINAL or heard:
                heard = 0
                status = await self._patience.until(
                    lambda: self._endpoint.follow(job, _WAIT_MS, take), "collect the result"
                )
        except (SubmissionUncertain, FileDamaged, WireError) as error:
            logger.warning("%s: %s", self._prompt_id, error)
