"""The history of a job whose nodes queued further prompts: one entry, as if all had been one prompt. Pure."""

from collections.abc import Sequence
from typing import Any

from wire.events import HistoryEntry
from wire.follow_ups import joined_output

_ENDS = ("execution_success", "execution_error", "execution_interrupted")


def joined_history(prompt_id: str, histories: Sequence[HistoryEntry]) -> HistoryEntry:
    """*histories*, at least one, in their order, under the id of the first: its beginning, the end of the last, the
    outputs of all.

    A node that was cached shows again what an earlier prompt has shown: that is not repeated.
    """
    first, last = histories[0], histories[-1]
    if len(histories) == 1:
        return first
    outputs, meta = dict(first.outputs), dict(first.meta)
    for history in histories[1:]:
        shown_again = _cached(history) & outputs.keys()
        for node, output in history.outputs.items():
            if node not in shown_again:
                outputs[node] = joined_output(outputs.get(node), output)
        meta |= history.meta
    messages = [
        *([kind, data] for kind, data in _messages(first) if kind not in _ENDS),
        *([kind, {**data, "prompt_id": prompt_id}] for kind, data in _messages(last) if kind in _ENDS),
    ]
    return first.model_copy(update={"outputs": outputs, "meta": meta, "status": {**last.status, "messages": messages}})


def _messages(history: HistoryEntry) -> list[tuple[str, dict[str, Any]]]:
    return list(history.status.get("messages", ()))


def _cached(history: HistoryEntry) -> frozenset[str]:
    return frozenset(dict(_messages(history)).get("execution_cached", {}).get("nodes", ()))
