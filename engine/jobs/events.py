"""What the machine of a run is told. Pure: values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath

from engine.model.job import LostFile
from engine.runpod.replies import StatusReply
from wire.batch import Batch, NumberedEvent
from wire.events import NodeOutput, Preview
from wire.files import FileRef
from wire.ids import RunPodJobId
from wire.outputs import ItemKey


class Wait(Enum):
    """What is tried again after a pause."""

    STAGE = "send the input files"
    SUBMIT = "submit the job"
    FOLLOW = "follow the job"
    CANCEL = "cancel the job"
    SAVE = "save the results"
    REFETCH = "fetch again what was lost of the results"


class Fault(Enum):
    """Why RunPod cannot be asked about a job. None of them ends it."""

    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"
    """the key or the endpoint id is wrong, or the endpoint is missing from the settings"""
    GONE = "gone"
    """RunPod says that it does not know the job"""
    BUG = "bug"
    """our own: an error that nobody expected"""


@dataclass(frozen=True, slots=True)
class Start:
    """The run begins: a new job, or one of before a restart with the events that its journal kept."""

    journal: tuple[NumberedEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelWanted:
    """The person, or the page, wants the job stopped."""


@dataclass(frozen=True, slots=True)
class TryNow:
    """The person wants what is waited for to be tried at once."""


@dataclass(frozen=True, slots=True)
class PauseOver:
    """It is time to try *wait* again."""

    wait: Wait


@dataclass(frozen=True, slots=True)
class LimitNear:
    """RunPod will stop the job soon, at its time limit."""


@dataclass(frozen=True, slots=True)
class TurnCame:
    """Others have had their turn: there is more to be dealt with."""


# -- the way out


@dataclass(frozen=True, slots=True)
class Staged:
    """The input files are where the worker finds them."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The job cannot run; nothing was submitted, or RunPod certainly refused it."""

    error_type: str
    message: str
    node_id: str = ""


@dataclass(frozen=True, slots=True)
class CannotNow:
    """*wait* did not work this time; nobody's fault, or one that goes away."""

    wait: Wait
    reason: str
    fault: Fault = Fault.UNAVAILABLE
    retry_after_s: float | None = None
    ticket: int = 0
    """of what could not be stored"""


@dataclass(frozen=True, slots=True)
class Submitted:
    """RunPod has accepted the job."""

    runpod_id: RunPodJobId


@dataclass(frozen=True, slots=True)
class SubmissionUnknown:
    """Nobody knows whether RunPod has accepted the job."""

    reason: str


# -- what RunPod says of the job


@dataclass(frozen=True, slots=True)
class Received:
    """A batch of the worker's events."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The worker sent what this version cannot read at all."""

    reason: str


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """One answer of the stream has been read to its end; *status* is the job's."""

    status: str


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """RunPod's answer about the job, after everything in its output was received."""

    reply: StatusReply


@dataclass(frozen=True, slots=True)
class HealthSeen:
    """How many workers of the endpoint are in each state."""

    workers: Mapping[str, int]


# -- the results


@dataclass(frozen=True, slots=True)
class OutputSaved:
    """The files of an output are stored: the output with its local names, and what is missing of it for good."""

    ticket: int
    event: NodeOutput
    names: Mapping[ItemKey, ItemKey]
    lost: tuple[LostFile, ...] = ()
    output_folder: PurePath | None = None
    """where it is on this machine, if that is known"""


@dataclass(frozen=True, slots=True)
class OutputDamaged:
    """Files of an output did not arrive whole; what did is stored."""

    ticket: int
    files: tuple[FileRef, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class PictureRead:
    """A picture whose bytes came in pieces is whole; None when it is not, and nobody misses it."""

    ticket: int
    event: Preview | None


@dataclass(frozen=True, slots=True)
class RefetchEnded:
    """A job that was to send files again has ended, one way or another; saving tells what came of it."""

    ticket: int


RunEvent = (
    Start
    | CancelWanted
    | TryNow
    | PauseOver
    | TurnCame
    | LimitNear
    | Staged
    | Failed
    | CannotNow
    | Submitted
    | SubmissionUnknown
    | Received
    | Unreadable
    | StreamEnded
    | StatusSeen
    | HealthSeen
    | OutputSaved
    | OutputDamaged
    | PictureRead
    | RefetchEnded
)
