"""Bodies of /queue and /history: what ComfyUI answered and what the proxy holds, in one.

Source: ComfyUI 0.3.64 and 0.8.0, server.py and execution.py ``PromptQueue``.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.model.job import Entry, StoredJob
from engine.model.states import SHOWN_RUNNING
from engine.views.job import shown_number
from engine.views.json_text import Pieces, array_pieces, dumped, object_text
from wire.ids import PromptId

Position = tuple[int, str]
"""where a prompt stands in the one sequence of completions, and its id"""


def merged_queue(upstream: Mapping[str, Any], jobs: Iterable[StoredJob]) -> str:
    """GET /queue; *jobs* are the active ones."""
    running, pending = (_clean_prompts(upstream.get(name)) for name in ("queue_running", "queue_pending"))
    for job in jobs:
        (running if job.state in SHOWN_RUNNING else pending).append(_prompt_text(job, job.number))
    lists = {"queue_running": array_pieces(running), "queue_pending": array_pieces(pending)}
    return object_text(({name: dumped(value) for name, value in upstream.items()} | lists).items())


def _prompt_text(job: StoredJob, number: float) -> str:
    """``[number, prompt_id, prompt, extra_data, outputs_to_execute]``."""
    shown = shown_number(number)
    return f"[{shown}, {json.dumps(job.prompt_id)}, {job.prompt}, {job.extra_data}, {job.outputs_to_execute}]"


def history_item(job: StoredJob) -> str:
    """One value of GET /history; *job* has ended."""
    return f'{{"prompt": {_prompt_text(job, job.completion or 0)}, {(job.entry or _NO_ENTRY)[1:]}'


@dataclass(frozen=True, slots=True)
class Window:
    """``?max_items=&offset=`` of GET /history, over the merged list: the last *max_items*, or *offset* from the oldest.

    Source: execution.py ``get_history``.
    """

    max_items: int | None = None
    offset: int | None = None

    @property
    def from_oldest(self) -> bool:
        """Counted from the oldest item, else from the newest."""
        return self.max_items is None or (self.offset is not None and self.offset >= 0)

    @property
    def start(self) -> int:
        return max(0, self.offset or 0)

    @property
    def reach(self) -> int | None:
        """How many items, from the side that it is counted from, can be in the window; None: all."""
        return None if self.max_items is None else max(0, self.start + self.max_items)

    def surely_before(self, local: int) -> int:
        """How many of our oldest items lie before the window, wherever the *local* ones are."""
        return max(0, self.start - local)

    def without(self, items: int) -> "Window":
        """The same window over a list that lacks its first *items*, all of them before the window."""
        return self if not items else replace(self, offset=self.start - items)

    def cut[T](self, items: Sequence[T]) -> Sequence[T]:
        """Those of *items*, oldest first, that are in the window."""
        if self.from_oldest:
            return items[self.start : self.reach]
        return items[-self.reach :] if self.reach else []


def history_page(local: Mapping[str, int], ours: Iterable[Position], window: Window) -> list[Position]:
    """The prompts in *window* over both, oldest first.

    *ours* are at least the :attr:`Window.reach` nearest to the side that the window is counted from.
    """
    places = [*((place, prompt_id) for prompt_id, place in local.items()), *ours]
    return list(window.cut(sorted(places)))


def merged_history(upstream: Mapping[str, Any], page: Iterable[Position], jobs: Mapping[PromptId, StoredJob]) -> str:
    """GET /history: the prompts of *page*, ours taken from *jobs* and the others from what ComfyUI answered.

    Every item's queue number is its place in the common order: frontends up to 1.35 show only rising numbers.
    """
    members: list[tuple[str, Pieces]] = []
    for place, prompt_id in page:
        job = jobs.get(PromptId(prompt_id))
        item = [history_item(job)] if job else dumped(_clean_item(prompt_id, upstream[prompt_id], place))
        members.append((prompt_id, item))
    return object_text(members)


# -- what frontends cannot bear


def complete_entry(entry: Entry, *, completed: bool) -> Entry:
    """*entry* with a whole ``status``: without one frontend 1.27 shows no history at all."""
    status = complete_status(entry.status, completed=completed)
    return Entry(outputs=entry.outputs, status=status, meta=entry.meta)


def complete_status(status: Any, *, completed: bool) -> dict[str, Any]:
    """A history ``status`` with all its members."""
    told: dict[str, Any] = status if isinstance(status, dict) else {}
    whole: dict[str, Any] = {"status_str": "success" if completed else "error", "completed": completed, "messages": []}
    return {**whole, **{name: value for name, value in told.items() if value is not None}}


_NO_ENTRY = json.dumps({"outputs": {}, "status": complete_status(None, completed=False), "meta": {}})


def _clean_item(prompt_id: str, item: Any, place: int) -> dict[str, Any]:
    """A history item of ComfyUI's, whole and numbered."""
    told: dict[str, Any] = item if isinstance(item, dict) else {}
    prompt = _clean_prompt(told.get("prompt")) or [place, prompt_id, {}, {}, []]
    outputs = told.get("outputs") if isinstance(told.get("outputs"), dict) else {}
    status = complete_status(told.get("status"), completed=bool(outputs))
    return {**told, "prompt": [place, *prompt[1:]], "outputs": outputs, "status": status}


def _clean_prompts(items: Any) -> list[str]:
    found = (_clean_prompt(item) for item in (items if isinstance(items, list) else []))
    return [json.dumps(prompt) for prompt in found if prompt is not None]


def _clean_prompt(item: Any) -> list[Any] | None:
    """A 5-tuple of ComfyUI's whose extra_data is an object without a null ``extra_pnginfo``; None for anything else."""
    match item:
        case [number, str(prompt_id), prompt, extra_data, outputs, *_]:
            known = extra_data if isinstance(extra_data, dict) else {}
            if known.get("extra_pnginfo", {}) is None:
                known = {name: value for name, value in known.items() if name != "extra_pnginfo"}
            return [number, prompt_id, prompt, known, outputs]
    return None
