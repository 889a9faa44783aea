"""Compares what the converter makes of a workflow with what the page sent for it: node by node, value by value."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from client.workflow.graph import Moment, to_prompt
from client.workflow.widgets import GraphUnconvertible

_SHOWN_BY_OLDER_PAGES = frozenset({"audioUI", "preview", "previewMode"})
"""what frontends before 1.40 send of a player and of a shown text; no node has such an input"""
_EXACT = 2**53
"""a larger number is rounded by the page, which knows only JavaScript's numbers"""


@dataclass
class Comparison:
    """What came of each workflow."""

    same: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    different: dict[str, list[str]] = field(default_factory=dict)
    page_failed: dict[str, str] = field(default_factory=dict)
    """workflows that the page itself cannot send"""

    def summary(self) -> str:
        counts = Counter(same=len(self.same), refused=len(self.refused), different=len(self.different))
        whole = sum(counts.values()) + len(self.page_failed)
        listed = ", ".join(f"{name} {number}" for name, number in counts.items())
        return f"{whole} workflows: {listed}, not sent by the page {len(self.page_failed)}"


def compare(truth: Path) -> Comparison:
    """Convert every workflow that was recorded in *truth*, and compare."""
    infos = json.loads((truth / "object_info.json").read_text(encoding="utf-8"))
    found = Comparison()
    for path in sorted(truth.glob("*-*.json")):
        _compare_one(path, infos, found)
    return found


def _compare_one(path: Path, infos: Mapping[str, Any], found: Comparison) -> None:
    recorded = json.loads(path.read_text(encoding="utf-8"))
    graph = recorded.get("graph") or json.loads(Path(recorded["path"]).read_text(encoding="utf-8"))
    moment = Moment(datetime.fromisoformat(recorded["at"]), lambda _: 0)
    try:
        ours = [to_prompt(graph, infos, moment, unique_ids=unique) for unique in (True, False)]
    except GraphUnconvertible as refusal:
        found.refused[path.stem] = str(refusal)
        return
    if "error" in recorded:
        found.page_failed[path.stem] = recorded["error"]
        return
    new_ids, saved_ids = [list(differing(prompt, recorded["output"])) for prompt in ours]
    if new_ids and saved_ids:
        found.different[path.stem] = min(new_ids, saved_ids, key=len)
    else:
        found.same.append(path.stem)


def differing(ours: Mapping[str, Any], page: Mapping[str, Any]) -> Iterator[str]:
    """Each node and value that *ours* and the *page*'s prompt do not share. Titles are read by nobody who runs them."""
    for node_id in sorted(ours.keys() | page.keys()):
        if node_id not in ours or node_id not in page:
            yield f"{node_id}: only {'the page' if node_id in page else 'we'} sent it"
            continue
        mine, theirs = ours[node_id], page[node_id]
        if mine["class_type"] != theirs.get("class_type"):
            yield f"{node_id}: {mine['class_type']}, the page {theirs.get('class_type')}"
        for name in sorted(mine["inputs"].keys() | theirs["inputs"].keys()):
            if name in _SHOWN_BY_OLDER_PAGES and name not in mine["inputs"]:
                continue
            one, other = (inputs.get(name, "nothing") for inputs in (mine["inputs"], theirs["inputs"]))
            if not _is_same(one, other):
                yield f"{node_id} {mine['class_type']}.{name}: {one!r}, the page {other!r}"


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int) and abs(one) > _EXACT and isinstance(other, int | float):
        return float(one) == float(other)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return bool(one == other)
