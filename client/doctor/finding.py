"""What a check of the set-up found, and how that is written down."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "wrong", "skipped"]


@dataclass(frozen=True, slots=True)
class Finding:
    """*mend* says how to fix what is wrong, or how to check what was skipped."""

    name: str
    state: State
    detail: str
    mend: str = ""


def lines(findings: Iterable[Finding]) -> Iterable[str]:
    """For people."""
    for finding in findings:
        yield f"{_MARKS[finding.state]:<7} {finding.name:<10} {finding.detail}"
        if finding.mend:
            yield f"{'':<18} → {finding.mend}"


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """For machines."""
    listed = [asdict(finding) for finding in findings]
    return {"ok": all(item["state"] != "wrong" for item in listed), "checks": listed}


_MARKS = {"ok": "ok", "wrong": "WRONG", "skipped": "-"}


def workers_finding(name: str, workers: dict[str, int]) -> Finding:
    """What the counts of /health mean. Source: RunPod docs, endpoint operations; six keys since 2026-08."""
    counts = ", ".join(f"{count} {state}" for state, count in workers.items() if count) or "no worker"
    if workers.get("unhealthy"):
        return Finding(
            name,
            "wrong",
            counts,
            "see the worker's logs in RunPod's console; the image or too little memory is the usual cause",
        )
    if workers.get("throttled") and not any(workers.get(state) for state in ("idle", "ready", "running")):
        return Finding(name, "wrong", counts, "RunPod has no free GPU of this kind: allow more kinds of GPU, or wait")
    if not any(workers.values()):
        return Finding(name, "ok", "no worker is running; the first job starts one, which takes a while")
    return Finding(name, "ok", counts)
