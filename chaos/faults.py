"""Which faults happen, and when: all of it chosen by one seed. Pure but for the dice."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

JSON, HTML = "application/json", "text/html"


@dataclass(frozen=True, slots=True)
class RequestFault:
    """What becomes of one request on its way to RunPod and back."""

    name: str
    arrives: bool
    """RunPod gets the request and does what it asks"""
    status: int = 0
    """of the answer that is given instead of RunPod's; 0: there is none, the connection breaks"""
    body: str = ""
    kind: str = JSON
    cut: bool = False
    """the connection breaks in the middle of RunPod's answer"""


LOST = (
    RequestFault("request lost", arrives=False),
    RequestFault("answer lost", arrives=True),
    RequestFault("answer cut", arrives=True, cut=True),
)
BUSY = RequestFault("429", arrives=False, status=429, body='{"error": "too many requests"}')
BROKEN = tuple(
    RequestFault(f"{status}{' after the work' if arrives else ''}", arrives, status, "<html>error</html>", HTML)
    for status in (500, 502, 503, 524)
    for arrives in (False, True)
)
ODD = (
    RequestFault("200 with a page", arrives=True, status=200, body="<html>hello</html>", kind=HTML),
    RequestFault("200 with null", arrives=True, status=200, body="null"),
)
REFUSED = (
    RequestFault("401", arrives=False, status=401, body='{"error": "unauthorized"}'),
    RequestFault("403", arrives=False, status=403, body="<html>forbidden</html>", kind=HTML),
)
GONE = (
    RequestFault("404 of a job", arrives=False, status=404, body='{"error": "job not found"}'),
    RequestFault("404 of something in between", arrives=False, status=404, body="<html>nginx</html>", kind=HTML),
)
FAULTS: dict[str, tuple[RequestFault, ...]] = {
    "run": (*LOST, BUSY, BUSY, *BROKEN, *ODD, *REFUSED),
    "health": (*LOST, *BROKEN, *ODD, *REFUSED),
}
"""by operation"""
OTHERWISE = (*LOST, *LOST, BUSY, *BROKEN, *ODD, *REFUSED, *GONE)


class MachineFault(Enum):
    """What happens to a process."""

    PROXY_KILLED = "proxy killed"
    PROXY_PAUSED = "proxy paused"
    COMFYUI_KILLED = "local ComfyUI killed"
    COMFYUI_PAUSED = "local ComfyUI paused"
    WORKER_KILLED = "worker killed"
    WORKER_PAUSED = "worker paused"
    WORKER_COMFYUI_KILLED = "worker's ComfyUI killed"
    WORKER_COMFYUI_PAUSED = "worker's ComfyUI paused"


_WEIGHTS = {MachineFault.WORKER_KILLED: 1, MachineFault.WORKER_COMFYUI_KILLED: 1, MachineFault.PROXY_KILLED: 4}
"""how often; the others have 2. A worker takes a while to come back, and the end of the proxy matters most"""


class Job(Enum):
    """What a person runs; *megabytes* of a film, or seconds."""

    PICTURE = "picture"
    LONG_RUN = "long run"
    FILM_12 = "film of 12 MB"
    FILM_60 = "film of 60 MB"


_JOBS = {Job.PICTURE: 10, Job.LONG_RUN: 6, Job.FILM_12: 3, Job.FILM_60: 1}


class Dice:
    """Everything that is left to chance."""

    def __init__(self, seed: int, fault_share: float) -> None:
        """*fault_share* of the requests meet a fault."""
        self._random, self._fault_share = random.Random(seed), fault_share

    def request_fault(self, operation: str) -> RequestFault | None:
        if self._random.random() >= self._fault_share:
            return None
        return self._random.choice(FAULTS.get(operation, OTHERWISE))

    def machine_fault(self) -> MachineFault:
        faults = list(MachineFault)
        return self._random.choices(faults, [_WEIGHTS.get(fault, 2) for fault in faults])[0]

    def job(self) -> Job:
        return self._random.choices(list(_JOBS), list(_JOBS.values()))[0]

    def cancels(self) -> bool:
        """Whether the person changes their mind about the job."""
        return self._random.random() < 0.1

    def seconds(self, least: float, most: float) -> float:
        return self._random.uniform(least, most)

    def seed(self) -> int:
        """For the content of a result, which no other has."""
        return self._random.getrandbits(48)

    def one_of[T](self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)
