"""Which files of results were stored, and under which names."""

import json
from typing import Any

from engine.store.database import Database
from wire.ids import PromptId
from wire.outputs import ItemKey

_IN_TEMP = """local_item LIKE '["temp"%' AND NOT gone"""


class FileRecords:
    """The result files of all jobs in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def saved(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str) -> ItemKey | None:
        """Where this content of this job was stored; None when it was not."""
        row = self._database.row(
            "SELECT local_item FROM files WHERE prompt_id = ? AND worker_item = ? AND sha256 = ?",
            (prompt_id, json.dumps(worker_item), sha256),
        )
        return _item(row[0]) if row else None

    def remember(self, prompt_id: PromptId, worker_item: ItemKey, sha256: str, local_item: ItemKey) -> None:
        """The file is on the disk: from now on its part is not needed, also after a power cut."""
        with self._database.transaction(durable=True):
            self._database.execute(
                "INSERT OR REPLACE INTO files (prompt_id, worker_item, sha256, local_item) VALUES (?, ?, ?, ?)",
                (prompt_id, json.dumps(worker_item), sha256, json.dumps(local_item)),
            )

    def stored_before(self, worker_item: ItemKey, sha256: str) -> ItemKey | None:
        """Where the newest job that had this file stored it; None when none had."""
        row = self._database.row(
            "SELECT local_item FROM files JOIN jobs USING (prompt_id) WHERE worker_item = ? AND sha256 = ?"
            " ORDER BY created_ms DESC LIMIT 1",
            (json.dumps(worker_item), sha256),
        )
        return _item(row[0]) if row else None

    def names(self, prompt_id: PromptId) -> dict[ItemKey, ItemKey]:
        """The worker's name of each stored file, and its local name."""
        rows = self._database.rows("SELECT worker_item, local_item FROM files WHERE prompt_id = ?", (prompt_id,))
        return {_item(worker): _item(local) for worker, local in rows}

    def local(self, prompt_id: PromptId) -> dict[ItemKey, bool]:
        """The local name of each stored file, and whether it is gone."""
        rows = self._database.rows("SELECT local_item, gone FROM files WHERE prompt_id = ?", (prompt_id,))
        return {_item(local): bool(gone) for local, gone in rows}

    def newest_temp_file(self) -> ItemKey | None:
        """The temp file that was stored last, as far as it is not known to be gone."""
        row = self._database.row(
            "SELECT local_item FROM files JOIN jobs USING (prompt_id)"  # noqa: S608  no input in it
            f" WHERE {_IN_TEMP} ORDER BY created_ms DESC LIMIT 1"
        )
        return _item(row[0]) if row else None

    def jobs_with_temp_files(self) -> list[PromptId]:
        """Jobs with temp files that are not known to be gone."""
        rows = self._database.rows(f"SELECT DISTINCT prompt_id FROM files WHERE {_IN_TEMP}")  # noqa: S608
        return [PromptId(prompt_id) for (prompt_id,) in rows]

    def lose_temp_files(self, prompt_id: PromptId) -> None:
        """Part of the caller's transaction."""
        self._database.execute(f"UPDATE files SET gone = 1 WHERE prompt_id = ? AND {_IN_TEMP}", (prompt_id,))  # noqa: S608


def _item(text: str) -> ItemKey:
    item: Any = json.loads(text)
    folder, subfolder, filename = item
    return folder, subfolder, filename
