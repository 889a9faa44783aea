"""Where a remote run differs from a local one on purpose, and why. What is not in this table must be equal."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.remote.normal import Told

Change = Callable[[Any], Any]
_NOWHERE = frozenset({"exception_during_inner_validation", "bad_linked_input"})
"""what ComfyUI and we call it"""
_NEW_REFUSALS = ("missing_node_type", "dependency_cycle")


_EMPTY = {"status": {"exec_info": {"queue_remaining": 0}}}


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


def counted_once(story: list[Told]) -> list[Told]:
    """Without a status that tells the same count as the one before it; before the first one the queue was empty."""
    counts = [told["data"] if told["type"] == "status" else None for told in story]
    before = [next((c for c in reversed(counts[:at]) if c is not None), _EMPTY) for at in range(len(counts))]
    return [told for told, now, last in zip(story, counts, before, strict=True) if now is None or now != last]


def told_before_the_start(story: list[Told]) -> list[Told]:
    """What a custom node says of a prompt that is posted, moved to its start."""
    said = [told for told in story if told["type"] == "sandbox-feedback"]
    rest = [told for told in story if told["type"] != "sandbox-feedback"]
    at = next((at for at, told in enumerate(rest) if told["type"] == "execution_start"), len(rest))
    return [*rest[:at], *said, *rest[at:]]


def every(change: Change) -> Change:
    return lambda items: [change(item) for item in items]


def cancelled(job: dict[str, Any]) -> dict[str, Any]:
    """0.8.0 says ``failed``, without an error."""
    if job["status"] == "failed" and "execution_error" not in job:
        return {**job, "status": "cancelled"}
    return job


def without_news(job: dict[str, Any]) -> dict[str, Any]:
    """What 0.8.0 says of a job, too; it shows items that are nothing."""
    preview = job.get("preview_output", {})
    news = ("previewable_outputs_count", *(("preview_output",) if "content" in preview else ()))
    known = {key: value for key, value in job.items() if key not in news}
    return known | {"outputs": without_nothing(job["outputs"])} if "outputs" in job else known


def without_nothing(value: Any) -> Any:
    match value:
        case dict():
            return {key: without_nothing(item) for key, item in value.items()}
        case list():
            return [without_nothing(item) for item in value if item is not None]
    return value


def without_news_of_jobs(seen: dict[str, Any]) -> dict[str, Any]:
    named = [name for name in ("jobs", "a job") if name in seen]
    return {**seen, **{name: [without_news(job) for job in seen[name]] for name in named}}


def with_create_time(entry: dict[str, Any]) -> dict[str, Any]:
    number, prompt_id, graph, extra_data, outputs = entry["prompt"]
    return {**entry, "prompt": [number, prompt_id, graph, {"create_time": "a time", **extra_data}, outputs]}


def with_last_count(story: list[Told]) -> list[Told]:
    """Of several counts in a row the last one."""
    pairs = zip(story, [*story[1:], None], strict=True)
    return [told for told, after in pairs if told["type"] != "status" or after is None or after["type"] != "status"]


def without_kept(item: dict[str, Any]) -> dict[str, Any]:
    """A history entry or a job, without what the second prompt shows again."""
    if "prompt 0" in (item.get("id"), item.get("prompt", ["", ""])[1]):
        return item
    hidden = ("outputs", "meta", "outputs_count", "previewable_outputs_count", "preview_output")
    return {key: value for key, value in item.items() if key not in hidden}


def with_create_times(seen: dict[str, Any]) -> dict[str, Any]:
    def dated(item: list[Any]) -> list[Any]:
        return [*item[:3], {"create_time": "a time", **item[3]}, item[4]]

    return {**seen, **{name: [dated(item) for item in seen[name]] for name in ("running", "pending")}}


def without_keys(seen: dict[str, Any]) -> dict[str, Any]:
    for item in (*seen["running"], *seen["pending"]):
        item[3].pop("auth_token_comfy_org", None)
    return seen


def without_workflow(seen: dict[str, Any]) -> dict[str, Any]:
    jobs = [{key: value for key, value in job.items() if key != "workflow"} for job in seen.get("a job", ())]
    return {**seen, "a job": jobs} if jobs else seen


def with_links_named(answer: tuple[int, Any]) -> tuple[int, Any]:
    status, body = answer
    nodes = {name: {**node, "errors": _named(node["errors"])} for name, node in body["node_errors"].items()}
    return status, {**body, "node_errors": nodes}


def _named(errors: list[dict[str, Any]]) -> list[Any]:
    """In no order: a real ComfyUI goes through a set."""
    named = ["a link that leads nowhere" if error["type"] in _NOWHERE else error for error in errors]
    return sorted({json.dumps(error, sort_keys=True) for error in named})


_CREATE_TIME = "A job bears its create_time, as from ComfyUI 0.8.0 on, also beside an older one, which reads past it."

STORY = (
    Difference(
        "Waiting for a machine is shown, as ComfyUI's own cloud does: locally there is nothing to wait for.",
        remote=without("notification", "runpod."),
    ),
    Difference(
        "The count is told once more when it is quiet, for a page that shows the answer that came last.",
        local=counted_once,
        remote=counted_once,
    ),
    Difference(
        "What custom nodes say of a prompt that is posted comes when the worker posts it, after the count.",
        local=told_before_the_start,
        remote=told_before_the_start,
    ),
)
ANSWERS: tuple[Difference, ...] = ()
HISTORY = (
    Difference(
        _CREATE_TIME,
        local=every(with_create_time),
    ),
)
CLEARED = (
    Difference(
        "A cleared queue is told by us and by ComfyUI, which clears its own, empty or not: the same count twice.",
        local=with_last_count,
        remote=with_last_count,
    ),
)
KEPT_FOR_NOBODY = (
    Difference(
        "A program without a client id learns of kept results too; 0.8.0 leaves them out of the history then.",
        local=every(without_kept),
        remote=every(without_kept),
    ),
)
"""for the second run of a prompt that was posted without a client id"""
QUEUE = (
    Difference(
        "A job that waits or runs has its workflow, as from newer ComfyUIs; 0.8.0 shows it when the job has ended.",
        remote=every(without_workflow),
    ),
    Difference(
        _CREATE_TIME,
        local=every(with_create_times),
    ),
    Difference(
        "Keys of ComfyUI's paid nodes are never shown; 0.3.64 shows them as long as the prompt waits or runs.",
        local=every(without_keys),
    ),
)
REFUSALS = (
    Difference(
        "Of a link that leads nowhere it is said that it does; ComfyUI tells the exception that it met there.",
        local=every(with_links_named),
        remote=every(with_links_named),
    ),
)
JOBS = (
    Difference(
        "A stopped job is `cancelled`, as newer ComfyUIs say; 0.8.0 has no such status and says `failed`.",
        local=every(cancelled),
    ),
)
_NEWS = "A job says what today's ComfyUI says of it; 0.8.0 counts no previewable outputs and shows no texts."
OLDER_REFUSALS = (
    Difference(
        "A node without a class and a circle are told as today's ComfyUI does; 0.8.0 has other words for them.",
        local=every(lambda answer: answer[0]),
        remote=every(lambda answer: answer[0]),
    ),
)
OLDER_JOBS = (Difference(_NEWS, remote=every(without_news)),)
OLDER_QUEUE = (Difference(_NEWS, every(without_news_of_jobs), every(without_news_of_jobs)),)


def counts_previews(jobs: list[dict[str, Any]]) -> bool:
    """Whether these come from a ComfyUI that needs neither OLDER_JOBS nor OLDER_QUEUE."""
    return all("previewable_outputs_count" in job for job in jobs)


def is_new(answer: tuple[int, Any]) -> bool:
    """Whether it is a refusal that 0.8.0 does not know."""
    return any(kind in json.dumps(answer) for kind in _NEW_REFUSALS)


def agreed(differences: tuple[Difference, ...], local: Any, remote: Any) -> tuple[Any, Any]:
    """Both, without the *differences*."""
    for difference in differences:
        local, remote = difference.local(local), difference.remote(remote)
    return local, remote
