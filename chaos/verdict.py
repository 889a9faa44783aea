"""Whether the promises were kept: compares what RunPod did with what the disk and the job database hold. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from chaos.relay import Submission


@dataclass(frozen=True, slots=True)
class EndpointJob:
    """A job as RunPod knows it at the end. *results* are the SHA-256 of what it made; *unrun*: it was given back."""

    status: str
    worker: str
    results: tuple[str, ...] = ()
    unrun: bool = False


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job in the job database; *sent* are the ids of all jobs that were sent to RunPod for it, as far as known."""

    state: str
    error: str | None
    sent: tuple[str, ...]
    uncertain: int
    """how many were sent, and nobody knows whether RunPod accepted them"""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was seen, at the end."""

    submissions: Sequence[Submission]
    endpoint: Mapping[str, EndpointJob]
    stored: Mapping[str, StoredJob]
    """by prompt id"""
    disk: Collection[str]
    """SHA-256 of what is in the output folder"""
    litter: Sequence[str]
    cancelled: Collection[str]
    """prompts that the person stopped"""
    found: Collection[str]
    """prompts whose submission had no usable answer at first"""
    killed_workers: Collection[str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Numbers of which the first block must be 0, and 1 for the submissions of a prompt."""

    lost: list[str]
    """results that RunPod has finished and the disk has not: what is known of each"""
    false_successes: list[str]
    """prompts that are called completed, and whose result is not whole"""
    most_submissions: int
    unrecorded: list[str]
    """jobs at RunPod that the job database does not account for"""
    litter: Sequence[str]
    running: list[str]
    """jobs that go on at RunPod, or have not ended here"""
    saved: int
    died: list[str]
    """results whose only copy died with a killed worker"""
    uncertain: int
    """prompts whose submission got no usable answer, and that no worker has begun"""
    found: int
    """such prompts that a worker had begun, and whose result was fetched after all"""
    refetches: int

    @property
    def kept(self) -> bool:
        broken = [self.lost, self.false_successes, self.unrecorded, self.litter, self.running]
        return not any(broken) and self.most_submissions == 1 and self.saved > 0  # else nothing was tried


def judge(seen: Observed) -> Verdict:
    """The verdict on *seen*."""
    recorded = {runpod_id for job in seen.stored.values() for runpod_id in job.sent}
    owner = {sent.runpod_id: sent.prompt_id for sent in seen.submissions if sent.runpod_id and sent.prompt_id}
    missing = {runpod_id: _missing(job, seen.disk) for runpod_id, job in seen.endpoint.items()}
    counted = {runpod_id for runpod_id in owner if owner[runpod_id] not in seen.cancelled}
    lost: list[str] = []
    died: list[str] = []
    for runpod_id in sorted(counted & missing.keys()):
        job = seen.endpoint[runpod_id]
        if missing[runpod_id]:
            about = f"{owner[runpod_id]} ({runpod_id}): {missing[runpod_id]} of {len(job.results)} results"
            (died if job.worker in seen.killed_workers else lost).append(about)
    unknown = [sent for sent in seen.submissions if sent.runpod_id is not None and sent.runpod_id not in recorded]
    return Verdict(
        lost=lost,
        false_successes=[
            owner[one] for one in sorted(owner.keys() & missing.keys()) if missing[one] and _succeeded(seen, owner[one])
        ],
        most_submissions=max(_submissions(seen).values(), default=0),
        unrecorded=_unrecorded(unknown, seen.stored),
        litter=seen.litter,
        running=_running(seen),
        saved=sum(len(seen.endpoint[one].results) for one in counted & missing.keys() if not missing[one]),
        died=died,
        uncertain=sum(job.state == "failed" and job.uncertain > 0 for job in seen.stored.values()),
        found=len(seen.found),
        refetches=sum(sent.prompt_id is None for sent in seen.submissions),
    )


def _missing(job: EndpointJob, disk: Collection[str]) -> int:
    return sum(result not in disk for result in job.results) if job.status == "COMPLETED" else 0


def _succeeded(seen: Observed, prompt_id: str) -> bool:
    return seen.stored[prompt_id].state == "completed"


def _submissions(seen: Observed) -> Counter[str]:
    """How often each prompt was sent; one that a worker gave back unrun, for it lacked files, does not count."""
    return Counter(
        sent.prompt_id
        for sent in seen.submissions
        if sent.prompt_id is not None
        and sent.runpod_id is not None
        and not (sent.runpod_id in seen.endpoint and seen.endpoint[sent.runpod_id].unrun)
    )


def _unrecorded(unknown: Sequence[Submission], stored: Mapping[str, StoredJob]) -> list[str]:
    """A job without a known id is accounted for by one that is marked as uncertain."""
    uncertain = Counter({prompt_id: job.uncertain for prompt_id, job in stored.items()})
    refetches = sum(uncertain.values())
    left = []
    for sent in unknown:
        if sent.prompt_id is not None and uncertain[sent.prompt_id] > 0:
            uncertain[sent.prompt_id] -= 1
            refetches -= 1
        elif sent.prompt_id is not None:
            left.append(f"{sent.prompt_id} ({sent.runpod_id})")
    of_refetches = [f"a refetch ({sent.runpod_id})" for sent in unknown if sent.prompt_id is None]
    return left + of_refetches[max(0, refetches) :]


def _running(seen: Observed) -> list[str]:
    at_runpod = [one for one, job in seen.endpoint.items() if job.status in ("IN_QUEUE", "IN_PROGRESS")]
    here = [one for one, job in seen.stored.items() if job.state not in ("completed", "failed", "cancelled")]
    return [*at_runpod, *here]
