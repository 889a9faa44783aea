"""What a person is told while no worker has begun. Frontends from 1.35 look for "Waiting for a machine"."""

from collections.abc import Mapping


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
