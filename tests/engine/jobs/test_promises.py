"""The promises of the machine, whatever happens in whatever order, and wherever the program is killed."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.events import Fault, Wait
from engine.jobs.machine import RunMachine
from engine.jobs.results import REFETCHES_MAX
from engine.model.job import Job, LostFile
from engine.model.sequence import Progress
from engine.model.states import ENDED, JobState
from engine.runpod.replies import StatusReply
from tests.support.playbook import JOB_ID, RUN, finished, items, job, output
from wire.batch import Batch, NumberedEvent
from wire.events import FileChunk, FilesMissing, NodeStarted, PromptStarted, WorkerEvent
from wire.files import encode_bytes
from wire.outputs import ItemKey

NAMES = ("a_00001_.png", "b_00001_.png")
ANSWERED = (
    do.Stage, do.SubmitJob, do.Follow, do.AskStatus, do.CancelAtRunPod, do.Pause, do.SaveOutput, do.FetchAgain,
    do.ReadPicture
)  # fmt: skip


@dataclass
class Remote:
    """The job at RunPod, and the worker's story of it."""

    story: tuple[WorkerEvent, ...] = ()
    told: int = 0
    """how many events the worker has reported"""
    drained: int = 0
    """how many of them the stream has handed out"""
    status: str = "IN_QUEUE"

    @property
    def ended(self) -> bool:
        return self.status in ("COMPLETED", "FAILED", "CANCELLED", "EXPIRED")

    def batch(self, start: int, end: int) -> Batch:
        numbered = (NumberedEvent(seq=at, event=self.story[at]) for at in range(start, end))
        return Batch(run=RUN, started=1, events=tuple(numbered))


@dataclass
class Disk:
    """What survives a kill."""

    job: Job = field(default_factory=job)
    progress: Progress = field(default_factory=Progress)
    journal: dict[int, NumberedEvent] = field(default_factory=dict)
    names: dict[ItemKey, ItemKey] = field(default_factory=dict)


class Promises(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.disk, self.remote = Disk(), Remote()
        self.now_ms = 1_000_000
        self.kill_after: int | None = None
        self.waiting: list[do.Command] = []
        self.accepted = self.known = False
        """whether RunPod has a job, and whether we know its id"""
        self.submissions_allowed = 1
        self.end: do.End | None = None
        self.refetches: dict[int, int] = {}
        self.cancelled = False

    @initialize(gives_back=st.booleans())
    def begin(self, gives_back: bool) -> None:
        chunk = FileChunk(transfer=0, offset=0, data=encode_bytes(b"x"))
        whole = (PromptStarted(timestamp=1), chunk, output(NAMES[0]), NodeStarted(node="5"), output(NAMES[1]))
        self.story: tuple[WorkerEvent, ...] = (*whole, finished(*NAMES))
        self.first_story = (FilesMissing(sha256=("a" * 64,)),) if gives_back else self.story
        self.start()

    # -- the program

    def start(self) -> None:
        """The program starts, on what the disk has."""
        self.waiting, self.refetches = [], {}
        self.machine = RunMachine(self.disk.job, self.disk.progress, self.disk.names)
        self.tell(on.Start(tuple(self.disk.journal[seq] for seq in sorted(self.disk.journal))))

    def tell(self, event: on.RunEvent) -> None:
        """The machine's commands are carried out, up to the one before which the program is killed."""
        commands = self.machine.handle(event, self.now_ms)
        assert not any(isinstance(command, do.End) for command in commands[:-1]), "nothing follows an end"
        for command in commands:
            if self.kill_after == 0:
                self.kill_after = None
                self.start()
                return
            self.kill_after = None if self.kill_after is None else self.kill_after - 1
            self.carry_out(command)

    def carry_out(self, command: do.Command) -> None:  # noqa: C901  one table
        match command:
            case do.SubmitJob():
                assert self.submissions_allowed > 0, "a job is submitted once"
                self.submissions_allowed -= 1
                self.move(JobState.SUBMITTING, endpoint_id="ep")
            case do.FetchAgain():
                assert not self.cancelled, "a cancelled job costs no more refetches"
                self.refetches[command.ticket] = self.refetches.get(command.ticket, 0) + 1
                assert self.refetches[command.ticket] <= REFETCHES_MAX
            case do.RecordProgress():
                self.disk.progress = command.progress
                self.disk.journal |= {item.seq: item for item in command.kept}
                self.disk.job = replace(self.disk.job, seen_ms=self.now_ms)
            case do.Move():
                self.move(command.state)
            case do.SendBack():
                self.move(JobState.RETURNED, runpod_id=None, returns=self.disk.job.returns + 1)
                self.disk.progress, self.disk.journal = Progress(), {}
                self.submissions_allowed, self.accepted, self.known = 1, False, False
            case do.StopFollowing():
                self.forget(do.Follow, do.AskStatus)
            case do.StopRefetch():
                stopped = [one for one in self.waiting if isinstance(one, do.FetchAgain)]
                self.forget(do.FetchAgain)
                for one in stopped:
                    self.tell(on.RefetchEnded(one.ticket))
            case do.ForgetPause():
                self.waiting = [
                    one for one in self.waiting if not (isinstance(one, do.Pause) and one.wait is command.wait)
                ]
            case do.End():
                self.check_end(command)
                self.end, self.waiting = command, []
                self.move(command.state)
            case _:
                pass
        if isinstance(command, ANSWERED):
            self.waiting.append(command)

    def move(self, state: JobState, **known: Any) -> None:
        self.disk.job = replace(self.disk.job, state=state, **known)

    def forget(self, *kinds: type) -> None:
        self.waiting = [one for one in self.waiting if not isinstance(one, kinds)]

    def check_end(self, end: do.End) -> None:
        assert self.end is None, "a job ends once"
        if end.state is JobState.COMPLETED:
            assert set(self.disk.names) == {("output", "", name) for name in NAMES}, "completed with all its files"
        if self.known and not end.stop:
            heard_all = self.disk.progress.next_seq >= len(self.remote.story)
            assert self.remote.ended or heard_all, "RunPod knows of the end, or is told"

    def pending(self, kind: type) -> bool:
        return any(isinstance(one, kind) for one in self.waiting)

    def take[C](self, kind: type[C]) -> C:
        found = next(one for one in self.waiting if isinstance(one, kind))
        self.waiting.remove(found)
        return found

    # -- what happens

    @rule(commands=st.integers(0, 6))
    def the_program_is_killed(self, commands: int) -> None:
        """Now, or before one of the next commands."""
        if self.end is None:
            self.kill_after = commands
            if commands == 0:
                self.kill_after = None
                self.start()

    @rule(minutes=st.sampled_from([0, 1, 45]))
    def time_passes(self, minutes: int) -> None:
        self.now_ms += minutes * 60_000 + 1000

    @precondition(lambda self: self.end is None)
    @rule()
    def the_person_cancels(self) -> None:
        self.cancelled = True
        if self.disk.job.state not in (JobState.PENDING, JobState.RETURNED):
            self.disk.job = replace(self.disk.job, cancel_requested=True)
        self.tell(on.CancelWanted())

    @precondition(lambda self: self.end is None)
    @rule()
    def the_person_wants_to_try_at_once(self) -> None:
        self.tell(on.TryNow())

    @precondition(lambda self: self.pending(do.Pause))
    @rule()
    def a_pause_is_over(self) -> None:
        self.tell(on.PauseOver(self.take(do.Pause).wait))

    @precondition(lambda self: self.pending(do.Stage))
    @rule(outcome=st.sampled_from([on.Staged(), on.CannotNow(Wait.STAGE, "down"), on.Failed("WorkflowError", "no")]))
    def files_are_staged(self, outcome: on.RunEvent) -> None:
        self.take(do.Stage)
        self.tell(outcome)

    @precondition(lambda self: self.pending(do.SubmitJob))
    @rule(answer=st.sampled_from(["accepted", "busy", "refused", "lost"]))
    def a_submission_is_answered(self, answer: str) -> None:
        self.take(do.SubmitJob)
        match answer:
            case "accepted":
                self.accepted = self.known = True
                given_back = self.disk.job.returns > 0
                self.remote = Remote(self.story if given_back else self.first_story)
                self.move(JobState.QUEUED, runpod_id=JOB_ID, seen_ms=self.now_ms)
                self.tell(on.Submitted(JOB_ID))
            case "busy":
                self.submissions_allowed = 1
                self.move(JobState.PENDING)
                self.tell(on.CannotNow(Wait.SUBMIT, "429"))
            case "refused":
                self.tell(on.Failed("EndpointRejected", "400"))
            case _:
                self.tell(on.SubmissionUnknown("502"))

    @precondition(lambda self: self.known and not self.remote.ended)
    @rule(events=st.integers(1, 6), fails=st.booleans())
    def the_worker_works(self, events: int, fails: bool) -> None:
        self.remote.status = "IN_PROGRESS"
        self.remote.told = min(len(self.remote.story), self.remote.told + events)
        if self.remote.told == len(self.remote.story):
            self.remote.status = "COMPLETED"
        elif fails:
            self.remote.status = "FAILED"

    @precondition(lambda self: self.remote.ended)
    @rule()
    def runpod_forgets_the_job(self) -> None:
        self.remote.status = "EXPIRED"
        self.now_ms += 31 * 60_000

    @precondition(lambda self: self.pending(do.Follow))
    @rule(loses=st.booleans())
    def the_stream_answers(self, loses: bool) -> None:
        """An answer that is lost on its way is drained all the same."""
        self.take(do.Follow)
        start, self.remote.drained = self.remote.drained, self.remote.told
        if self.remote.status == "EXPIRED":
            self.tell(on.CannotNow(Wait.FOLLOW, "unknown", Fault.GONE))
        elif loses:
            self.tell(on.CannotNow(Wait.FOLLOW, "the connection broke"))
        else:
            machine = self.machine
            self.waiting.append(do.Follow())  # still under way while the batch is dealt with
            if start < self.remote.told:
                self.tell(on.Received(self.remote.batch(start, self.remote.told)))
            if machine is self.machine and self.pending(do.Follow):
                self.take(do.Follow)
                self.tell(on.StreamEnded(self.remote.status))

    @precondition(lambda self: self.pending(do.AskStatus))
    @rule()
    def the_status_is_answered(self) -> None:
        if self.remote.status == "EXPIRED":
            self.take(do.AskStatus)
            self.tell(on.CannotNow(Wait.FOLLOW, "unknown", Fault.GONE))
            return
        machine = self.machine
        self.tell(on.Received(self.remote.batch(0, self.remote.told)))
        if machine is self.machine and self.pending(do.AskStatus):
            self.take(do.AskStatus)
            self.tell(on.StatusSeen(StatusReply(self.remote.status)))

    @precondition(lambda self: self.pending(do.CancelAtRunPod))
    @rule(arrives=st.booleans())
    def a_cancel_is_answered(self, arrives: bool) -> None:
        self.take(do.CancelAtRunPod)
        if not arrives:
            self.tell(on.CannotNow(Wait.CANCEL, "down"))
        elif self.remote.status == "EXPIRED":
            self.tell(on.CannotNow(Wait.CANCEL, "unknown", Fault.GONE))
        else:
            if not self.remote.ended:
                self.remote.status = "CANCELLED"
            self.tell(on.StatusSeen(StatusReply(self.remote.status)))

    @precondition(lambda self: self.pending(do.Follow) or self.pending(do.AskStatus) or self.pending(do.CancelAtRunPod))
    @rule(fault=st.sampled_from([Fault.UNAVAILABLE, Fault.REJECTED, Fault.BUG]))
    def runpod_cannot_be_asked(self, fault: Fault) -> None:
        kind = next(kind for kind in (do.Follow, do.AskStatus, do.CancelAtRunPod) if self.pending(kind))
        self.take(kind)
        wait = Wait.CANCEL if kind is do.CancelAtRunPod else Wait.FOLLOW
        self.tell(on.CannotNow(wait, "odd", fault))

    @precondition(lambda self: self.pending(do.SaveOutput))
    @rule(outcome=st.sampled_from(["saved", "saved", "damaged", "cannot", "bug"]))
    def an_output_is_stored_or_not(self, outcome: str) -> None:
        command = self.take(do.SaveOutput)
        (name,) = [file.filename for file in command.event.files]
        key, local = ("output", "", name), ("output", "", f"local-{name}")
        event = command.event.model_copy(update={"output": items(f"local-{name}"), "files": ()})
        known = key in self.disk.names
        if outcome == "saved" or known:
            self.disk.names[key] = local
            self.tell(on.OutputSaved(command.ticket, event, {key: local}))
        elif outcome == "damaged" and command.give_up:
            self.tell(on.OutputSaved(command.ticket, event, {}, (LostFile(key, "damaged"),)))
        elif outcome == "damaged":
            self.tell(on.OutputDamaged(command.ticket, command.event.files, "damaged"))
        else:
            fault = Fault.BUG if outcome == "bug" else Fault.UNAVAILABLE
            self.tell(on.CannotNow(Wait.SAVE, "disk full", fault, ticket=command.ticket))

    @precondition(lambda self: self.pending(do.FetchAgain))
    @rule(sent=st.booleans())
    def a_refetch_ends(self, sent: bool) -> None:
        ticket = self.take(do.FetchAgain).ticket
        self.tell(on.RefetchEnded(ticket) if sent else on.CannotNow(Wait.REFETCH, "429", ticket=ticket))

    # -- what must hold

    @invariant()
    def a_job_that_has_not_ended_waits_for_something(self) -> None:
        if self.end is None and hasattr(self, "machine"):
            assert self.waiting, "nothing would ever happen to it again"

    @invariant()
    def a_job_that_has_ended_stays_so(self) -> None:
        if self.end is not None:
            assert self.disk.job.state in ENDED
            assert self.machine.ended

    def teardown(self) -> None:
        """Left alone with a RunPod and a disk that work, every job ends."""
        for _ in range(60):
            if self.end is not None or not hasattr(self, "machine"):
                return
            self.kill_after = None
            self.now_ms += 60_000
            self.go_on_well()
        raise AssertionError(f"the job does not end; it waits for {self.waiting}")

    def go_on_well(self) -> None:
        if self.known and not self.remote.ended:
            self.the_worker_works(6, fails=False)
        if self.pending(do.Pause):
            self.a_pause_is_over()
        elif self.pending(do.Stage):
            self.files_are_staged(on.Staged())
        elif self.pending(do.SubmitJob):
            self.a_submission_is_answered("accepted")
        elif self.pending(do.SaveOutput):
            self.an_output_is_stored_or_not("saved")
        elif self.pending(do.FetchAgain):
            self.a_refetch_ends(sent=True)
        elif self.pending(do.CancelAtRunPod):
            self.a_cancel_is_answered(arrives=True)
        elif self.pending(do.AskStatus):
            self.the_status_is_answered()
        elif self.pending(do.Follow):
            self.the_stream_answers(loses=False)


TestPromises = Promises.TestCase
TestPromises.settings = settings(max_examples=300, stateful_step_count=60)
