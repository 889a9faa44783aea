"""Scripts for the machine of a run: what happens, and what it must want done then.

``play >> on.Submitted(JOB_ID) << do.Follow`` feeds the event and compares the commands: classes, or whole commands,
in their order. What is said to people is compared where a script asks for it, by :attr:`Play.said`.
"""

from collections.abc import Iterable
from typing import Any, Self

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.events import Fault, Wait
from engine.jobs.machine import RunMachine
from engine.model.job import Entry, Job
from engine.model.sequence import Progress
from engine.model.states import JobState
from engine.runpod.replies import StatusReply
from wire.batch import Batch, NumberedEvent
from wire.comfy import Message
from wire.events import HistoryEntry, NodeOutput, PromptFinished, PromptStarted, WorkerEvent
from wire.files import FileRef, Inline
from wire.ids import PromptId, RunPodJobId
from wire.outputs import ItemKey

PROMPT_ID, JOB_ID = PromptId("p"), RunPodJobId("r-u1")
RUN = "run-one"
A = "a_00001_.png"
KEY: ItemKey = ("output", "", A)
HOUR_MS = 3_600_000
NOT_COMPARED = (do.Publish, do.Notice, do.StatusChanged)
"""what only people see"""


def job(state: JobState = JobState.PENDING, **known: Any) -> Job:
    at_endpoint = {} if state in (JobState.PENDING, JobState.RETURNED) else {"runpod_id": JOB_ID, "endpoint_id": "ep"}
    prompt = {"4": {"class_type": "KSampler", "inputs": {}}, "9": {"class_type": "SaveImage", "inputs": {}}}
    fields = {"number": 0, "state": state, "prompt": prompt, "extra_data": {}, "outputs_to_execute": ("9",)}
    return Job(prompt_id=PROMPT_ID, created_ms=0, **{**fields, **at_endpoint, **known})


class Play:
    """A machine, the time, and what it wanted done last. *now_ms* goes on by hand."""

    def __init__(
        self,
        what: Job | None = None,
        progress: Progress | None = None,
        names: dict[ItemKey, ItemKey] | None = None,
        *,
        limit_s: int = 0,
    ) -> None:
        self.machine = RunMachine(what or job(), progress or Progress(), names or {}, limit_s)
        self.now_ms = 1_000_000
        self.commands: list[do.Command] = []
        self.all: list[do.Command] = []
        self._checked = True

    def __rshift__(self, event: on.RunEvent) -> Self:
        self.commands = self.machine.handle(event, self.now_ms)
        self.all += self.commands
        return self

    def __lshift__(self, expected: Any) -> Self:
        wanted = list(expected) if isinstance(expected, Iterable) else [expected]
        found = [command for command in self.commands if not isinstance(command, NOT_COMPARED)]
        shown = [type(c) if isinstance(want, type) else c for c, want in zip(found, wanted, strict=False)]
        assert len(found) == len(wanted), found
        assert shown == wanted
        return self

    def wait(self, milliseconds: int) -> Self:
        self.now_ms += milliseconds
        return self

    def last[C](self, kind: type[C]) -> C:
        """The newest command of a kind."""
        return next(command for command in reversed(self.all) if isinstance(command, kind))

    @property
    def end(self) -> do.End:
        return self.last(do.End)

    @property
    def messages(self) -> list[Message]:
        """All that was published, the texts of messages only."""
        told = (c.messages for c in self.all if isinstance(c, do.Publish | do.End))
        return [message for messages in told for message in messages if isinstance(message, Message)]

    @property
    def waits_for(self) -> str:
        """What the page says that the job waits for."""
        texts = [message.data["value"] for message in self.messages if message.type == "notification"]
        return texts[-1] if texts else ""


def following() -> Play:
    """A job that RunPod has."""
    play = Play() >> on.Start() >> on.Staged() >> on.Submitted(JOB_ID)
    return play << do.Follow


def running() -> Play:
    """A job that a worker has begun."""
    return following() >> received(PromptStarted(timestamp=5)) << [do.RecordProgress, do.Move]


def received(*events: WorkerEvent, first: int = 0, run: str = RUN, started: int = 1) -> on.Received:
    numbered = tuple(NumberedEvent(seq=first + at, event=event) for at, event in enumerate(events))
    return on.Received(Batch(run=run, started=started, events=numbered))


def reference(name: str = "a_00001_.png") -> FileRef:
    return FileRef(filename=name, type="output", sha256="a" * 64, size=1, source=Inline.of(b"x"))


def output(*names: str, node: str = "9") -> NodeOutput:
    files = tuple(reference(name) for name in names or ("a_00001_.png",))
    return NodeOutput(node=node, output=items(*(file.filename for file in files)), files=files)


def items(*names: str) -> dict[str, Any]:
    return {"images": [{"filename": name, "subfolder": "", "type": "output"} for name in names]}


def finished(*names: str) -> PromptFinished:
    """The worker's last word; its history names the files."""
    outputs = {"9": items(*names)} if names else {}
    status = {"status_str": "success", "completed": True, "messages": [["execution_success", {"timestamp": 9}]]}
    return PromptFinished(timestamp=9, history=HistoryEntry(outputs=outputs, status=status))


def saved(play: Play, *names: str, lost: tuple[Any, ...] = ()) -> on.OutputSaved:
    """The output that is being stored is stored: the worker's ``x`` is here ``local-x``."""
    command = play.last(do.SaveOutput)
    known: dict[ItemKey, ItemKey] = {("output", "", name): ("output", "", f"local-{name}") for name in names}
    local = command.event.model_copy(update={"output": items(*(f"local-{name}" for name in names)), "files": ()})
    return on.OutputSaved(command.ticket, local, known, lost)


def status(name: str, error: str | None = None) -> on.StatusSeen:
    return on.StatusSeen(StatusReply(name, error=error))


def cannot(wait: Wait, reason: str = "down", fault: Fault = Fault.UNAVAILABLE, **more: Any) -> on.CannotNow:
    return on.CannotNow(wait, reason, fault, **more)


def outputs(end: do.End) -> dict[str, Any]:
    assert isinstance(end.entry, Entry)
    return end.entry.outputs
