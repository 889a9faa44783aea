"""Rows of measurements: medians, paired ratios, one table, one JSON file. Pure but for :func:`write`."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a row may show: an absolute value, or *times* a peer."""

    at_most: float
    peer: str | None = None

    def __str__(self) -> str:
        return f"≤ {self.at_most:g} × {self.peer}" if self.peer else f"≤ {self.at_most:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: our samples, and those of its peers taken in the same rounds."""

    name: str
    unit: str
    ours: Sequence[float]
    peers: dict[str, Sequence[float]] = field(default_factory=dict)
    limit: Limit | None = None
    skipped: str = ""
    compared: bool = True
    """False where the peers are about zero, so that ratios mean nothing"""

    @property
    def median(self) -> float:
        return statistics.median(self.ours)

    def ratio(self, peer: str) -> float:
        """The median of the rounds' ratios, which outlives a machine that is busy now and then."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.ours, self.peers[peer], strict=True))

    @property
    def met(self) -> bool | None:
        """Whether the limit holds; None without one."""
        if self.limit is None or self.skipped:
            return None
        return (self.ratio(self.limit.peer) if self.limit.peer else self.median) <= self.limit.at_most

    def as_json(self) -> dict[str, Any]:
        if self.skipped:
            return {"name": self.name, "skipped": self.skipped}
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "peers": {peer: statistics.median(samples) for peer, samples in self.peers.items()},
            "ratios": {peer: self.ratio(peer) for peer in self.peers} if self.compared else {},
            "limit": str(self.limit) if self.limit else None,
            "met": self.met,
            "samples": {"proxy": list(self.ours), **{peer: list(samples) for peer, samples in self.peers.items()}},
        }


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that *percent* of all do not exceed."""
    return sorted(samples)[max(0, math.ceil(len(samples) * percent / 100) - 1)]


def table(rows: Sequence[Row]) -> Table:
    """All rows for people."""
    made = Table("measurement", "unit", "proxy", "beside it", "ratio", "target", "", title="comfy-runpod, medians")
    for row in rows:
        if row.skipped:
            made.add_row(row.name, row.unit, "–", row.skipped)
            continue
        beside = "\n".join(f"{peer} {statistics.median(samples):.3g}" for peer, samples in row.peers.items())
        ratios = "\n".join(f"{row.ratio(peer):.2f}" for peer in row.peers if row.compared)
        verdict = {None: "", True: "met", False: "missed"}[row.met]
        made.add_row(row.name, row.unit, f"{row.median:.3g}", beside, ratios, str(row.limit or ""), verdict)
    return made


def write(rows: Sequence[Row], machine: dict[str, str], path: Path) -> None:
    """Leaves the rows, with every sample, at *path*."""
    path.write_text(json.dumps({"machine": machine, "rows": [row.as_json() for row in rows]}, indent=1) + "\n")
