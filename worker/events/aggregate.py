"""Aggregate: what RunPod's SDK keeps of a stream until the job's end, when it repeats it as the job's output.

The platform drops an output over 10 MiB, and a worker that kept a film would need its memory: so beyond a limit the
bytes of files and previews, which the stream has delivered, are taken out of it again. The rest can still heal a stream
that lost an answer. Source: runpod 1.10.1, rp_job.py ``handle_job``.
"""

from collections.abc import Collection
from typing import Any

from wire.limits import MIB

KEPT_MAX = 6 * MIB
"""characters of base64"""
_HEAVY = ("file_chunk", "preview")
_NEVER_KEPT = ("catalog_piece",)
"""the next job tells the catalog again; it must not take the room of results"""


class Aggregate:
    """For one job; :meth:`posted` is called with each batch after that was posted."""

    def __init__(self, limit: int = KEPT_MAX) -> None:
        self._room = limit
        self._whole = list[dict[str, Any]]()

    def posted(self, batch: dict[str, Any]) -> None:
        """Takes the bytes out of *batch* and of the batches before it, once they are over the limit together."""
        _drop_bytes(batch, _NEVER_KEPT)
        weight = sum(len(event["data"]) for event in batch["events"] if event["kind"] in _HEAVY)
        if not weight:
            return
        self._room -= weight
        self._whole.append(batch)
        if self._room < 0:
            for whole in self._whole:
                _drop_bytes(whole, _HEAVY)
            self._whole.clear()


def _drop_bytes(batch: dict[str, Any], kinds: Collection[str]) -> None:
    batch["events"] = [
        {"seq": event["seq"], "kind": "omitted"} if event["kind"] in kinds else event for event in batch["events"]
    ]
