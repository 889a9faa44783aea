"""What a person is told of a job that failed or that waits: what happened, and what to do."""

import json
from collections.abc import Mapping
from typing import Any

from wire.events import PromptRejected, WorkerFailed
from wire.ids import PromptId

_LOOK_AT_LOGS = "The endpoint's worker logs say more; press Run to try again."
_OUT_OF_MEMORY = (
    "It was the memory of the endpoint's GPU. Choose one with more memory in the endpoint's settings, "
    "or a smaller picture, batch or model."
)
_WORKER = {
    "comfyui_died": "ComfyUI is started again on the worker; press Run to try once more. When it ends each time, "
    "the GPU or the machine has too little memory for this graph, or a custom node crashes: see the log.",
    "comfyui_unreachable": "ComfyUI on the worker hangs or is overloaded. Press Run to try once more.",
    "prompt_vanished": "Most likely ComfyUI on the worker was restarted. Press Run to try once more.",
    "bad_request": "Is the worker's version that of this proxy?",
    "model_unavailable": "Correct the model's source or the worker's token for it, then press Run again.",
    "worker_stopped": "RunPod took the worker away while it ran the job. Press Run to try once more.",
}
"""what to do, by error type of WorkerFailed"""
_STATUS = {
    "TIMED_OUT": (
        "TimedOut",
        "The job waited in RunPod's queue until its time to live was over: no worker took it. Raise the endpoint's "
        "maximum of workers, or allow more kinds of GPU.",
    ),
    "COMPLETED": (
        "ResultLost",
        "RunPod says that the job completed, but its result did not arrive: it was larger than the platform "
        "delivers, or it expired before the proxy could read it.",
    ),
    "CANCELLED": ("Cancelled", "The job was cancelled at RunPod, not from here."),
}
_PLATFORM = {
    "executionTimeout exceeded": (
        "ExecutionTimeout",
        "RunPod stopped the job at the endpoint's execution timeout. Raise it in the endpoint's settings.",
    ),
    "job timed out after 1 retries": (
        "WorkerLost",
        "The worker was lost twice while it ran this job. Look at the endpoint's worker logs; "
        "a crash-looping image and too little memory are the usual causes.",
    ),
}


def execution_error(
    prompt_id: PromptId, error_type: str, message: str, *, node_id: str = "", node_type: str = "", now_ms: int
) -> dict[str, Any]:
    """The payload; *node_id* ``""`` is an error of no node, which every frontend understands (None breaks 1.58)."""
    return {
        "prompt_id": prompt_id,
        "node_id": node_id,
        "node_type": node_type,
        "executed": [],
        "exception_message": message,
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
        return f"{value['error_message']}\n{value.get('error_traceback', '')}".strip()
    except (ValueError, KeyError, TypeError):
        return error


def explain_rejection(event: PromptRejected) -> tuple[str, str, str, str]:
    """node id, node type, error type and text for a prompt that the worker's ComfyUI refused.

    ComfyUI's page marks one node for an error while a prompt runs: the first; the text tells of all.
    """
    reasons = [_reason(node_id, problem) for node_id, problem in event.node_errors.items()]
    for node_id, problem in event.node_errors.items():
        return node_id, str(problem.get("class_type", "")), "PromptRejected", "\n".join(reasons)
    message = str(event.error.get("message", "refused"))
    details = str(event.error.get("details", ""))
    return "", "", "PromptRejected", f"{message}: {details}" if details else message


def _reason(node_id: str, problem: dict[str, Any]) -> str:
    told = "; ".join(f"{item.get('message', '')}: {item.get('details', '')}" for item in problem.get("errors", []))
    return f"{problem.get('class_type', 'Node')} #{node_id}: {told or 'refused'}"


def explain_worker(event: WorkerFailed) -> tuple[str, str]:
    """Error type and text: what happened, what to do, and the tail of ComfyUI's log when the worker sent one."""
    tail = event.diagnostics.get("log_tail")
    lines = "\n".join(str(line) for line in tail[-20:]) if isinstance(tail, list) else ""
    return event.error_type, "\n\n".join(filter(None, (event.message, _WORKER.get(event.error_type), lines)))


def advised(error: dict[str, Any]) -> dict[str, Any]:
    """ComfyUI's ``execution_error``, with what to do where the endpoint and not the graph is the remedy."""
    if str(error.get("exception_type", "")).rpartition(".")[2] != "OutOfMemoryError":
        return error
    return {**error, "exception_message": f"{error.get('exception_message', '').rstrip()}\n\n{_OUT_OF_MEMORY}\n"}


def advised_status(status: dict[str, Any]) -> dict[str, Any]:
    """The same for ``status`` of a history entry."""
    messages = status.get("messages", [])
    told = [[kind, advised(data) if kind == "execution_error" else data] for kind, data in messages]
    return {**status, "messages": told}


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
