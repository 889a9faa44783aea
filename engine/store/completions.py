"""The one order in which prompts completed, local and remote ones together."""

import json
from collections.abc import Iterable, Sequence

from engine.store.database import Database


class Completions:
    """The order in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, prompt_id: str) -> int:
        """The position of a prompt that has just completed. Part of the caller's transaction."""
        self._database.execute("INSERT OR IGNORE INTO completions (prompt_id) VALUES (?)", (prompt_id,))
        (position,) = self._database.row("SELECT position FROM completions WHERE prompt_id = ?", (prompt_id,))
        return int(position)

    def forget(self, prompt_id: str) -> None:
        """Part of the caller's transaction."""
        self._database.execute("DELETE FROM completions WHERE prompt_id = ?", (prompt_id,))

    def positions(self, prompt_ids: Iterable[str]) -> dict[str, int]:
        """The position of each local prompt; those not seen before come last, in this order.

        Prompts of ours, which are in our own history, are left out.
        """
        wanted = list(prompt_ids)
        known = self._known(wanted)
        new = [(prompt_id,) for prompt_id in wanted if prompt_id not in known]
        if new:
            with self._database.transaction():
                self._database.execute_many("INSERT OR IGNORE INTO completions (prompt_id) VALUES (?)", new)
            known = self._known(wanted)
        return {prompt_id: position for prompt_id, (position, ours) in known.items() if not ours}

    def _known(self, prompt_ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
        rows = self._database.rows(
            "SELECT prompt_id, position, completion IS NOT NULL FROM completions LEFT JOIN jobs USING (prompt_id)"
            " WHERE prompt_id IN (SELECT value FROM json_each(?))",
            (json.dumps(prompt_ids),),
        )
        return {prompt_id: (position, bool(ours)) for prompt_id, position, ours in rows}
