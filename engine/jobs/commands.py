"""What the machine of a run wants done. Pure: values only.

Commands are carried out one after the other. Those marked *answered* go on beside the next ones, and their outcome
comes back as an event.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.jobs.events import Wait
from engine.messages.translate import BrowserMessage
from engine.model.job import Entry
from engine.model.sequence import Progress
from engine.model.states import JobState
from wire.batch import NumberedEvent
from wire.events import CatalogPiece, CatalogTold, FileChunk, NodeOutput, Preview, PromptChanged
from wire.files import FileRef


@dataclass(frozen=True, slots=True)
class Stage:
    """Send the input files that the endpoint lacks. Answered: Staged, Failed, CannotNow."""


@dataclass(frozen=True, slots=True)
class SubmitJob:
    """Submit the job, once. Answered: Submitted, Failed, CannotNow, SubmissionUnknown."""


@dataclass(frozen=True, slots=True)
class Follow:
    """Read one answer of the stream. Answered: Received for each batch, Unreadable, then StreamEnded or CannotNow."""


@dataclass(frozen=True, slots=True)
class StopFollowing:
    """Nothing more of the stream is wanted."""


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Ask for the job's status and output. Answered: Received for each batch, then StatusSeen or CannotNow."""


@dataclass(frozen=True, slots=True)
class AskHealth:
    """Ask what the endpoint's workers do, to say why the job waits. Answered: HealthSeen, or not at all."""


@dataclass(frozen=True, slots=True)
class WatchLimit:
    """RunPod will stop the job soon after *after_s*. Answered: LimitNear."""

    after_s: float


@dataclass(frozen=True, slots=True)
class CancelAtRunPod:
    """Ask RunPod to stop the job, and whether it has. Answered: StatusSeen, CannotNow."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait before trying *wait* again, longer after more *failures*; *reason* is said to the person. Answered:
    PauseOver.
    """

    wait: Wait
    failures: int
    at_least_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class ForgetPause:
    """What was waited for is tried now, or not at all."""

    wait: Wait


@dataclass(frozen=True, slots=True)
class Works:
    """*wait*, which did not work before, works again."""

    wait: Wait


@dataclass(frozen=True, slots=True)
class AppendChunk:
    """Append bytes of a result to its part file."""

    run: str
    chunk: FileChunk


@dataclass(frozen=True, slots=True)
class DiscardParts:
    """Remove the job's part files: its worker was lost, and another one begins again."""


@dataclass(frozen=True, slots=True)
class RecordProgress:
    """Remember how far the job was read, and the events that a restart needs."""

    progress: Progress
    kept: tuple[NumberedEvent, ...]
    restarted: bool


@dataclass(frozen=True, slots=True)
class SaveOutput:
    """Store the files of an output. *give_up*: report what is damaged as lost. Answered: OutputSaved, OutputDamaged,
    CannotNow.
    """

    ticket: int
    run: str
    event: NodeOutput
    cached: bool
    give_up: bool = False


@dataclass(frozen=True, slots=True)
class ReadPicture:
    """Read the bytes of a picture that came in pieces. Answered: PictureRead."""

    ticket: int
    run: str
    event: Preview


@dataclass(frozen=True, slots=True)
class FetchAgain:
    """Have a worker send *files* again, by a job that runs nothing. Answered: RefetchEnded, CannotNow."""

    ticket: int
    run: str
    files: tuple[FileRef, ...]


@dataclass(frozen=True, slots=True)
class StopRefetch:
    """The files are not wanted any more."""


@dataclass(frozen=True, slots=True)
class ShowChanges:
    """The job is shown with the prompt that custom nodes of the worker made of it."""

    changed: PromptChanged


@dataclass(frozen=True, slots=True)
class RememberCached:
    """The endpoint's workers have these input files: SHA-256."""

    sha256: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TakeUp:
    """RunPod has these jobs, whose submission had no usable answer: prompt id -> RunPod id."""

    jobs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Move:
    """Move the job to another state."""

    state: JobState
    started_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SendBack:
    """The worker lacked input files and ran nothing: the job waits here again."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeedsAttention:
    """A person should look: *reason* is a sentence, None when all is well again."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class Publish:
    """Send messages to the page of the job."""

    messages: tuple[BrowserMessage, ...]


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """The queue has changed: every page is told."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """There is more to be dealt with: let others have their turn first. Answered: TurnCame."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A toast in every page; *severity* is PrimeVue's: info, warn, error."""

    severity: str
    summary: str
    detail: str


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """A newer worker reports something that this version does not know."""

    name: str


@dataclass(frozen=True, slots=True)
class HearCatalog:
    """The worker tells what it has: for whoever keeps the catalogs of endpoints."""

    event: CatalogTold | CatalogPiece


@dataclass(frozen=True, slots=True)
class End:
    """The job has ended: the last command of a run. History first, then the messages that make pages fetch it."""

    state: JobState
    entry: Entry | None
    """None: it leaves no history, as a job that is deleted while it waits"""
    messages: tuple[BrowserMessage, ...]
    error: str | None = None
    stop: bool = False
    """RunPod does not know of this end: it is asked to stop the job until it has"""
    fetchable: bool = False
    """RunPod may have more of the result than what came"""


Question = Stage | SubmitJob | Follow | AskStatus | AskHealth | WatchLimit | CancelAtRunPod
"""what is asked of ComfyUI and RunPod"""
ResultCommand = SaveOutput | ReadPicture | FetchAgain | StopRefetch
StoreCommand = RecordProgress | ShowChanges | RememberCached | TakeUp | Move | SendBack | NeedsAttention
"""what the job database remembers"""
Telling = Works | Publish | StatusChanged | Notice | UnknownEvent | HearCatalog
"""what people learn"""
Steering = StopFollowing | Pause | ForgetPause | AppendChunk | DiscardParts | GoOn | End
"""how the run itself goes on"""
Command = Question | ResultCommand | StoreCommand | Telling | Steering
