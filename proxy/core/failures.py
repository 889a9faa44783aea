"""What a failure is called and what the person can do: the payload of ComfyUI's ``execution_error``."""

from typing import Any

from wire.events import PromptRejected, WorkerFailed
from wire.ids import PromptId

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
    if status == "TIMED_OUT":
        return "TimedOut", "The job waited in RunPod's queue until its time to live was over. No worker took it."
    if status == "COMPLETED":
        return (
            "ResultLost",
            "RunPod says that the job completed, but its result did not arrive: it was larger than the platform "
            "delivers, or it expired before the proxy could read it.",
        )
    if status == "CANCELLED":
        return "Cancelled", "The job was cancelled at RunPod, not from here."
    return "EndpointFailed", error or f"RunPod reports {status} without a reason."


def explain_rejection(event: PromptRejected) -> tuple[str, str, str, str]:
    """node id, node type, error type and sentence for a prompt that the worker's ComfyUI refused."""
    for node_id, problem in event.node_errors.items():
        reasons = [f"{item.get('message', '')}: {item.get('details', '')}" for item in problem.get("errors", [])]
        return node_id, str(problem.get("class_type", "")), "PromptRejected", "; ".join(reasons) or "refused"
    message = str(event.error.get("message", "refused"))
    details = str(event.error.get("details", ""))
    return "", "", "PromptRejected", f"{message}: {details}" if details else message


def explain_worker(event: WorkerFailed) -> tuple[str, str]:
    """Error type and text, with the tail of ComfyUI's log when the worker sent one."""
    tail = event.diagnostics.get("log_tail")
    lines = "\n".join(str(line) for line in tail[-20:]) if isinstance(tail, list) else ""
    return event.error_type, f"{event.message}\n\n{lines}" if lines else event.message
