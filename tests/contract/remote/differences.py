"""Where a remote run differs from a local one on purpose, and why. What is not in this table must be equal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.remote.normal import Told

Change = Callable[[Any], Any]


def same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Difference:
    """*local* makes of what was seen locally, and *remote* of what was seen remotely, what must then be equal."""

    reason: str
    local: Change = same
    remote: Change = same


def without(*kinds: str) -> Callable[[list[Told]], list[Told]]:
    return lambda story: [told for told in story if not told["type"].startswith(kinds)]


def every(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    return lambda items: [change(item) for item in items]


def cancelled(job: dict[str, Any]) -> dict[str, Any]:
    """0.8.0 says ``failed``, without an error."""
    if job["status"] == "failed" and "execution_error" not in job:
        return {**job, "status": "cancelled"}
    return job


def with_create_time(entry: dict[str, Any]) -> dict[str, Any]:
    number, prompt_id, graph, extra_data, outputs = entry["prompt"]
    return {**entry, "prompt": [number, prompt_id, graph, {"create_time": "a time", **extra_data}, outputs]}


STORY = (
    Difference(
        "Waiting for a machine is shown, as ComfyUI's own cloud does: locally there is nothing to wait for.",
        remote=without("notification", "runpod."),
    ),
)
ANSWERS: tuple[Difference, ...] = ()
HISTORY = (
    Difference(
        "A job bears its create_time, as from ComfyUI 0.8.0 on, also beside an older one, which reads past it.",
        local=every(with_create_time),
    ),
)
JOBS = (
    Difference(
        "A stopped job is `cancelled`, as newer ComfyUIs say; 0.8.0 has no such status and says `failed`.",
        local=every(cancelled),
    ),
)


def agreed(differences: tuple[Difference, ...], local: Any, remote: Any) -> tuple[Any, Any]:
    """Both, without the *differences*."""
    for difference in differences:
        local, remote = difference.local(local), difference.remote(remote)
    return local, remote
