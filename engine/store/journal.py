"""What was received of each running job: how far it was read, and the events that a restart needs. No secrets."""

import json
from collections.abc import Iterable

from engine.model.sequence import Progress
from engine.store.database import Database
from wire.batch import NumberedEvent, decode_batch, encode_batch, encode_event
from wire.events import FilesSaved, NodeMessage, NodeOutput, WorkerEvent
from wire.files import Url
from wire.ids import PromptId


class Journal:
    """The journals of all jobs in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def progress(self, prompt_id: PromptId) -> Progress:
        row = self._database.row("SELECT run, run_started, next_seq FROM jobs WHERE prompt_id = ?", (prompt_id,))
        return Progress(*row)

    def received(
        self, prompt_id: PromptId, progress: Progress, kept: Iterable[NumberedEvent], *, restarted: bool, seen_ms: int
    ) -> None:
        """Remember how far the job was read and the events to keep; *restarted* forgets those of an earlier run."""
        with self._database.transaction():
            if restarted:
                self.forget(prompt_id)
            self._database.execute_many(
                "INSERT OR REPLACE INTO events (prompt_id, seq, body) VALUES (?, ?, ?)",
                [
                    (prompt_id, item.seq, json.dumps(encode_event(item.seq, without_secrets(item.event))))
                    for item in kept
                ],
            )
            self._database.execute(
                "UPDATE jobs SET run = ?, run_started = ?, next_seq = ?, seen_ms = ? WHERE prompt_id = ?",
                (progress.run, progress.started, progress.next_seq, seen_ms, prompt_id),
            )

    def forget(self, prompt_id: PromptId) -> None:
        """Part of the caller's transaction."""
        self._database.execute("DELETE FROM events WHERE prompt_id = ?", (prompt_id,))

    def events(self, prompt_id: PromptId) -> tuple[NumberedEvent, ...]:
        """The kept events, in order."""
        rows = self._database.rows("SELECT body FROM events WHERE prompt_id = ? ORDER BY seq", (prompt_id,))
        return decode_batch(encode_batch("", 0, (json.loads(body) for (body,) in rows))).events


def without_secrets(event: WorkerEvent) -> WorkerEvent:
    """*event* without the signed addresses of its files: whoever has one can read the file for a day."""
    if not isinstance(event, NodeOutput | NodeMessage | FilesSaved):
        return event
    files = (
        file.model_copy(update={"source": Url(url="")}) if isinstance(file.source, Url) else file
        for file in event.files
    )
    return event.model_copy(update={"files": tuple(files)})
