"""What a person is told of a job that failed or that waits: what happened, and what to do."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from wire.events import PromptRejected, WorkerFailed
from wire.ids import PromptId
from wire.outputs import ItemKey

_LOOK_AT_LOGS = "The endpoint's worker logs say more. Press Run to try again."
_TEXT_MAX, _LINES_MAX = 10_000, 200
"""characters of a text, and lines of a list"""
_OUT_OF_MEMORY = (
    "The endpoint's GPU ran out of memory. Choose one with more memory in the endpoint's settings, "
    "or a smaller picture, batch or model."
)
_WORKER = {
    "comfyui_died": "The worker starts ComfyUI again. Press Run to try once more. If it happens each time, "
    "the GPU or the machine has too little memory for this graph, or a custom node crashes: see the log.",
    "comfyui_unreachable": "ComfyUI on the worker hangs or is overloaded. Press Run to try once more.",
    "prompt_vanished": "Most likely ComfyUI on the worker was restarted. Press Run to try once more.",
    "bad_request": "Check that the worker image and the proxy have the same version.",
    "model_unavailable": "Correct the model's source or the worker's token for it, then press Run again.",
    "worker_stopped": "RunPod took the worker away while it ran the job. Press Run to try once more.",
}
"""what to do, by error type of WorkerFailed"""
UNKNOWN_TO_RUNPOD = "UNKNOWN"
"""in the place of a status: RunPod says that it does not know the job"""
_STATUS = {
    "TIMED_OUT": (
        "TimedOut",
        "The job waited in RunPod's queue until its time to live was over: no worker took it. Raise the endpoint's "
        "maximum number of workers, or allow more kinds of GPU.",
    ),
    "COMPLETED": (
        "ResultLost",
        "RunPod says that the job completed, but its result did not arrive. Either it was larger than RunPod "
        "delivers, or the endpoint does not run this project's worker. Press Run to make it again.",
    ),
    "CANCELLED": ("Cancelled", "The job was cancelled at RunPod, not from here."),
    UNKNOWN_TO_RUNPOD: (
        "ResultExpired",
        "RunPod no longer knows the job. It keeps a result for 30 minutes, and nobody could fetch it in that time. "
        "What had arrived before is saved. Press Run to make it again.",
    ),
}
_PLATFORM = {
    "executionTimeout exceeded": (
        "ExecutionTimeout",
        "RunPod stopped the job at its time limit: your JOB_MAX_S, or without one the execution timeout in the "
        "endpoint's settings. Raise it there.",
    ),
    "job timed out after 1 retries": (
        "WorkerLost",
        "The worker was lost twice while it ran this job. Look at the endpoint's worker logs. "
        "The usual causes are an image that crashes again and again, and too little memory.",
    ),
}
_UNCERTAIN = (
    "The job may have been submitted, so it was not sent again. If it was, its result is fetched as soon as a worker "
    "of the endpoint begins another job. Press Run to try once more."
)


def short(text: str) -> str:
    """*text* as long as somebody reads it, from its beginning."""
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}… [{len(text) - _TEXT_MAX:,} more characters]"


def explain_uncertain(reason: str) -> str:
    """Nobody knows whether RunPod accepted the job."""
    return f"{reason}\n\n{_UNCERTAIN}"


def explain_lost(lost: Iterable[tuple[ItemKey, str]]) -> str:
    """Files of a result that did not arrive, each with the reason."""
    lines = [f"  {short('/'.join(part for part in item if part))}: {short(reason)}" for item, reason in lost]
    files = "A file" if len(lines) == 1 else f"{len(lines)} files"
    named = [*lines[:_LINES_MAX], *(["  …"] if len(lines) > _LINES_MAX else [])]
    return "\n".join(
        [f"{files} of the result did not arrive:", *named, "", "The rest is saved. Press Run to try again."]
    )


def explain_refused_parts(node_errors: Mapping[str, Any]) -> str:
    """ComfyUI ran a part of the prompt and refused these nodes."""
    return f"The endpoint ran only a part of the prompt. ComfyUI refused:\n{refused_nodes(node_errors)}"


def error_sentence(error: Mapping[str, Any]) -> str:
    """The payload of an ``execution_error`` in one line: the node, and what it says."""
    message = short(str(advised(dict(error)).get("exception_message") or "ComfyUI gave no reason").strip())
    node_id = error.get("node_id")
    return f"{error.get('node_type') or 'node'} #{node_id}: {message}" if node_id else message


def execution_error(
    prompt_id: PromptId, error_type: str, message: str, *, node_id: str = "", node_type: str = "", now_ms: int
) -> dict[str, Any]:
    """The payload; *node_id* ``""`` is an error of no node, which every frontend understands (None breaks 1.58)."""
    return {
        "prompt_id": prompt_id,
        "node_id": node_id,
        "node_type": node_type,
        "executed": [],
        "exception_message": short(message),
        "exception_type": error_type,
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
        "timestamp": now_ms,
    }


def explain_platform(status: str, error: str | None) -> tuple[str, str]:
    """Error type and sentence for a job that ended at RunPod without the worker's own word."""
    if error in _PLATFORM:
        return _PLATFORM[error]
    if status in _STATUS:
        return _STATUS[status]
    if error:
        return "EndpointFailed", f"{_raised(error)}\n\n{_LOOK_AT_LOGS}"
    return "EndpointFailed", f"RunPod reports {status} without a reason. {_LOOK_AT_LOGS}"


def _raised(error: str) -> str:
    """RunPod's SDK reports what a handler raised as a JSON text; its message and traceback, else *error* itself."""
    try:
        value = json.loads(error)
        return short(f"{value['error_message']}\n{value.get('error_traceback', '')}".strip())
    except (ValueError, KeyError, TypeError, RecursionError):
        return short(error)


def explain_rejection(event: PromptRejected) -> tuple[str, str, str, str]:
    """node id, node type, error type and text for a prompt that the worker's ComfyUI refused.

    ComfyUI's page marks one node for an error while a prompt runs: the first; the text tells of all.
    """
    for node_id, problem in event.node_errors.items():
        kind = problem.get("class_type", "") if isinstance(problem, dict) else ""
        return node_id, str(kind), "PromptRejected", refused_nodes(event.node_errors)
    message = short(str(event.error.get("message", "refused")))
    details = short(str(event.error.get("details", "")))
    return "", "", "PromptRejected", f"{message}: {details}" if details else message


def refused_nodes(node_errors: Mapping[str, Any]) -> str:
    """One line for each node that ComfyUI refused, with its reasons; *node_errors* are ComfyUI's own."""
    return short("\n".join(_reason(node_id, problem) for node_id, problem in node_errors.items()))


def refused_part(node_errors: Mapping[str, Any], executed: Iterable[str]) -> dict[str, Any]:
    """ComfyUI's ``execution_error`` for nodes that it refused while the rest of the prompt ran.

    Without a date, as an ExecutionBlocker's: the prompt goes on. It marks the first node; the text names all of them.
    """
    first, problem = next(iter(node_errors.items()))
    return {
        "node_id": first,
        "node_type": str(problem.get("class_type", "")) if isinstance(problem, dict) else "",
        "executed": list(executed),
        "exception_message": explain_refused_parts(node_errors),
        "exception_type": "PartRefused",
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
    }


def _reason(node_id: str, problem: Any) -> str:
    match problem:
        case {"errors": [*errors]}:
            items = [item for item in errors if isinstance(item, dict)]
            told = "; ".join(f"{item.get('message', '')}: {item.get('details', '')}" for item in items)
        case _:
            told = ""
    kind = problem.get("class_type", "Node") if isinstance(problem, dict) else "Node"
    return f"{kind} #{node_id}: {told or 'refused'}"


def explain_worker(event: WorkerFailed) -> tuple[str, str]:
    """Error type and text: what happened, what to do, and the tail of ComfyUI's log when the worker sent one."""
    tail = event.diagnostics.get("log_tail")
    lines = "\n".join(str(line) for line in tail[-20:]) if isinstance(tail, list) else ""
    told = (short(event.message), _WORKER.get(event.error_type), short(lines))
    return event.error_type[:200], "\n\n".join(filter(None, told))


def advised(error: dict[str, Any]) -> dict[str, Any]:
    """ComfyUI's ``execution_error``, with what to do where the endpoint and not the graph is the remedy."""
    if str(error.get("exception_type", "")).rpartition(".")[2] != "OutOfMemoryError":
        return error
    return {**error, "exception_message": f"{str(error.get('exception_message', '')).rstrip()}\n\n{_OUT_OF_MEMORY}\n"}


def advised_status(status: dict[str, Any]) -> dict[str, Any]:
    """The same for ``status`` of a history entry, whatever its shape."""
    messages = status.get("messages")
    if not isinstance(messages, list):
        return status
    return {**status, "messages": [_advised_message(message) for message in messages]}


def _advised_message(message: Any) -> Any:
    match message:
        case ["execution_error", dict(data)]:
            return ["execution_error", advised(data)]
        case _:
            return message


def waiting_sentence(workers: Mapping[str, int]) -> str:
    """*workers* as in /health: idle, initializing, ready, running, throttled, unhealthy."""
    if workers.get("initializing"):
        return "Waiting for a machine: a worker is starting"
    if workers.get("running") or workers.get("ready") or workers.get("idle"):
        return "Waiting for a machine: the workers are busy"
    if workers.get("throttled"):
        return "Waiting for a machine: RunPod has no free GPU of this kind (throttled)"
    if workers.get("unhealthy"):
        return "Waiting for a machine: the workers are unhealthy, look at their logs"
    return "Waiting for a machine: the endpoint has no worker yet"
