"""Everything that decides what happens next to a job. Pure: no I/O, no clock.

:class:`RunMachine` is told what happened and answers what is to be done; ``run.py`` does it. What it promises:

- a job is submitted once: again only when RunPod certainly did not accept it, or a worker gave it back unrun;
- a job that RunPod has accepted ends by RunPod's own word, by the worker's last event, by the person, or when RunPod
  cannot have it any more; never because RunPod, ComfyUI or the disk cannot be asked just now;
- it is completed only when every file of its result is stored;
- what nobody needs any more at RunPod is cancelled there until RunPod says that it has ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum, auto
from typing import assert_never

from engine.jobs import commands as do
from engine.jobs import events as on
from engine.jobs.endings import StoredFiles, ending_of, explained_end, failed_end, interrupted_end
from engine.jobs.events import Wait
from engine.jobs.job_limit import JobLimit
from engine.jobs.results import Results
from engine.jobs.setbacks import Setbacks
from engine.messages.failures import UNKNOWN_TO_RUNPOD, explain_uncertain, waiting_sentence
from engine.model.job import Job
from engine.model.sequence import Progress
from engine.model.states import AT_ENDPOINT, WAITING_HERE, JobState
from engine.runpod.replies import TERMINAL, StatusReply
from wire.events import Ending, FilesMissing, PromptStarted, WorkerEvent
from wire.outputs import ItemKey

RETURNS_MAX = 3
"""a worker that lacks what it was just sent is broken"""

APPLIED_MAX = 200
"""of the events that wait for their turn, how many are dealt with before others have theirs"""


class Contact(Enum):
    """What goes on between the job and RunPod."""

    NONE = auto()
    SUBMITTING = auto()
    FOLLOWING = auto()
    ASKING = auto()
    """for the job's status and output, because the stream ended without the worker's last event"""
    CANCELLING = auto()
    OVER = auto()
    """nothing runs at RunPod any more"""


_AT_RUNPOD = frozenset({Contact.FOLLOWING, Contact.ASKING, Contact.CANCELLING})


class RunMachine:
    """One job. :meth:`handle` is called with one event after the other, beginning with a Start."""

    def __init__(self, job: Job, progress: Progress, names: Mapping[ItemKey, ItemKey], limit_s: int = 0) -> None:
        """*progress* and *names*: how far the job was received before, and which of its files are stored. *limit_s*:
        after how many seconds of a worker's time RunPod stops it, 0 if that is the endpoint's own matter.
        """
        self.state = job.state
        self.ended = False
        self._job = job
        self._contact = Contact.NONE
        self._setbacks = Setbacks(job.seen_ms or job.created_ms, needs_attention=job.attention is not None)
        self._results = Results(job.prompt_id, self._setbacks, progress, names)
        self._limit = JobLimit(limit_s, job.started_ms)
        self._cancel_wanted = self._results.given_up = job.cancel_requested
        self._returns = job.returns
        self._ending: Ending | None = None
        self._verdict: StatusReply | None = None
        """RunPod's word that the job has ended, when the worker's is missing"""
        self._heard = False
        """whether the stream had anything since it was last asked"""
        self._now_ms = 0
        self._commands: list[do.Command] = []

    @property
    def occupies_endpoint(self) -> bool:
        """Whether the job takes one of the ``MAX_IN_FLIGHT`` places; one that hangs does not, so others can run."""
        return self._contact is not Contact.OVER and not self._setbacks.needs_attention

    @property
    def only_saves(self) -> bool:
        """Whether nothing runs at RunPod any more."""
        return self._contact is Contact.OVER or self._results.queue.all_received

    def handle(self, event: on.RunEvent, now_ms: int) -> list[do.Command]:
        """What is to be done now that *event* has happened, in this order. After an End there is nothing to do."""
        self._now_ms, self._commands = now_ms, []
        if not self.ended:
            self._take(event)
            self._apply_what_waits()
            self._end_when_all_is_done()
        return self._commands

    def _take(self, event: on.RunEvent) -> None:  # noqa: C901, PLR0912  one exhaustive table
        match event:
            case on.Start():
                self._start(event)
            case on.Staged():
                self._worked(Wait.STAGE)
                self._submit()
            case on.Failed():
                self._fail(event.error_type, event.message, node_id=event.node_id)
            case on.Submitted():
                self._submitted()
            case on.SubmissionUnknown():
                self._fail("SubmissionUncertain", explain_uncertain(event.reason))
            case on.CannotNow():
                self._cannot_now(event)
            case on.PauseOver():
                if self._setbacks.over(event.wait):
                    self._try_again(event.wait)
            case on.TryNow():
                self._try_now()
            case on.TurnCame():
                pass
            case on.LimitNear():
                self._do_all(self._limit.near() if self._contact in _AT_RUNPOD and not self._cancel_wanted else ())
            case on.CancelWanted():
                self._want_cancel()
            case on.Received():
                self._received(event)
            case on.Unreadable():
                self._unreadable(event.reason)
            case on.StreamEnded():
                self._stream_ended(event.status)
            case on.StatusSeen():
                self._status_seen(event.reply)
            case on.HealthSeen():
                if self.state is JobState.QUEUED and self._contact is Contact.FOLLOWING:
                    self._say(waiting_sentence(event.workers))
            case on.OutputSaved() | on.OutputDamaged() | on.PictureRead() | on.RefetchEnded():
                self._do_all(self._results.answered(event, self._now_ms))
            case _:
                assert_never(event)

    def _do(self, *commands: do.Command) -> None:
        self._commands += commands

    def _do_all(self, commands: Iterable[do.Command]) -> None:
        self._commands += commands

    def _say(self, text: str) -> None:
        self._do_all(self._results.say(text))

    # -- out

    def _start(self, event: on.Start) -> None:
        if self.state in WAITING_HERE:
            self._do(do.Stage())
        elif self.state not in AT_ENDPOINT:
            self._fail("SubmissionUncertain", explain_uncertain("The proxy was stopped while it submitted this job."))
        else:
            self._results.muted = self.state is JobState.WITHDRAWING
            self._results.queue.recover(event.journal)
            if self._results.queue.all_received:
                self._contact = Contact.OVER
            elif self._cancel_wanted:
                self._cancel()
            else:
                self._follow()

    def _submit(self) -> None:
        self._contact, self.state = Contact.SUBMITTING, JobState.SUBMITTING
        self._do(do.SubmitJob())

    def _submitted(self) -> None:
        self.state = JobState.QUEUED
        self._worked(Wait.SUBMIT)
        if self._cancel_wanted:
            self._cancel()
        else:
            self._say("Waiting for a machine")
            self._follow()

    # -- back

    def _follow(self) -> None:
        self._contact, self._heard = Contact.FOLLOWING, False
        self._do(do.Follow())

    def _received(self, event: on.Received) -> None:
        if self._contact not in _AT_RUNPOD:
            return  # of a job that the worker gave back
        self._heard = True
        self._reached_runpod()
        self._do_all(self._results.receive(event.batch))
        self._do_all(self._limit.begun(self._now_ms))

    def _unreadable(self, reason: str) -> None:
        """Nothing that this worker sends will ever be readable: it is stopped, for its time is paid."""
        if self._cancel_wanted:
            self._cancelled(stop=True)
        else:
            self._fail("VersionMismatch", reason, stop=True)

    def _stream_ended(self, status: str) -> None:
        if self._contact is not Contact.FOLLOWING:
            return
        self._reached_runpod()
        if self._results.queue.all_received:
            self._contact = Contact.OVER
        elif status in TERMINAL and not self._heard:
            self._contact = Contact.ASKING
            self._do(do.AskStatus())
        else:
            self._follow()
            if status == "IN_QUEUE":
                self._do(do.AskHealth())

    def _status_seen(self, reply: StatusReply) -> None:
        if self._contact not in _AT_RUNPOD:
            return
        self._reached_runpod()
        if self._contact is Contact.CANCELLING:
            self._cancel_answered(reply)
        elif reply.ended or self._results.queue.all_received:
            self._contact, self._verdict = Contact.OVER, reply
        else:
            self._do(self._setbacks.pause(Wait.FOLLOW))  # RunPod's parts do not always agree at once

    def _reached_runpod(self) -> None:
        self._setbacks.reached_runpod(self._now_ms)
        self._worked(Wait.CANCEL if self._contact is Contact.CANCELLING else Wait.FOLLOW)

    def _apply_what_waits(self) -> None:
        for _ in range(APPLIED_MAX):
            if self.ended or (event := self._results.queue.next()) is None:
                return
            self._apply(event)
        if not self.ended and self._results.queue.has_next:
            self._do(do.GoOn())

    def _apply(self, event: WorkerEvent) -> None:
        match event:
            case FilesMissing(sha256=sha256):
                self._come_back(sha256)
            case _ if isinstance(event, Ending):
                self._ending = event
            case PromptStarted(timestamp=timestamp) if self.state is JobState.QUEUED:
                self.state = JobState.RUNNING
                self._do(do.Move(JobState.RUNNING, started_ms=timestamp), do.StatusChanged())
                self._do_all(self._results.apply(event, self._now_ms))
            case _:
                self._do_all(self._results.apply(event, self._now_ms))

    def _come_back(self, missing: tuple[str, ...]) -> None:
        """The worker lacks files that it should have had, so it ran nothing: the only case of a second submission."""
        if self._cancel_wanted:
            self._cancelled()
        elif self._returns >= RETURNS_MAX:
            self._fail("InputsLost", "The endpoint's workers lack input files that they were just sent.")
        else:
            self._returns += 1
            self._contact, self.state = Contact.NONE, JobState.RETURNED
            self._do_all(self._results.forget())
            self._do(do.StopFollowing(), do.SendBack(missing))
            self._say("Sending input files that the worker lacks")
            self._do(do.Stage())

    # -- cancel

    def _want_cancel(self) -> None:
        if self._cancel_wanted:
            return
        self._cancel_wanted = self._results.given_up = True
        if self.state in WAITING_HERE:
            self._cancelled()
        elif self._contact is Contact.OVER or self._results.queue.all_received:
            self._stop_refetching()
            self._end_if_stuck()  # else the job was faster: its result is paid, so it is kept
        elif self._contact is not Contact.SUBMITTING:
            self._cancel()

    def _cancel(self) -> None:
        self._contact = Contact.CANCELLING
        self._forget_pause(Wait.FOLLOW)
        self._do(do.StopFollowing())
        self._stop_refetching()
        if self.state is JobState.RUNNING:
            self.state = JobState.CANCELLING
            self._do(do.Move(JobState.CANCELLING))
        elif self.state is JobState.QUEUED:  # as in ComfyUI, what is deleted while it waits is gone at once
            self._say("")
            self.state, self._results.muted = JobState.WITHDRAWING, True
            self._do(do.Move(JobState.WITHDRAWING), do.StatusChanged())
        self._do(do.CancelAtRunPod())

    def _stop_refetching(self) -> None:
        """What was lost on its way stays lost, and is named."""
        self._do(do.StopRefetch())
        if self._forget_pause(Wait.REFETCH):
            self._do_all(self._results.save(give_up=True))

    def _cancel_answered(self, reply: StatusReply) -> None:
        if reply.status == "COMPLETED":  # it was faster: the result is paid, so it is kept
            self._follow()
        elif reply.ended:
            self._contact, self._verdict = Contact.OVER, reply
            self._end_if_stuck()
        else:
            self._do(self._setbacks.pause(Wait.CANCEL))

    def _end_if_stuck(self) -> None:
        """Results that cannot be stored just now would keep a job from ending that the person has cancelled."""
        if self._setbacks.is_paused(Wait.SAVE):
            self._cancelled()

    def _cancelled(self, *, stop: bool = False) -> None:
        hidden = self.state is JobState.WITHDRAWING or self.state not in AT_ENDPOINT
        end = interrupted_end(self._results.translator, self._job, now_ms=self._now_ms, hidden=hidden)
        self._end(end, stop=stop)

    # -- what does not work now

    def _cannot_now(self, event: on.CannotNow) -> None:
        if self._results.is_void(event.ticket):
            return
        if event.wait is Wait.SUBMIT:  # certainly not accepted
            self._contact, self.state = Contact.NONE, JobState.PENDING
            if self._cancel_wanted:
                self._cancelled()
                return
        if event.fault is on.Fault.GONE and self._setbacks.is_gone(self._now_ms, cancelled=self._cancel_wanted):
            self._contact, self._verdict = Contact.OVER, StatusReply(UNKNOWN_TO_RUNPOD)
            return
        if event.wait is Wait.REFETCH and self._cancel_wanted:
            self._do_all(self._results.save(give_up=True))
            return
        self._do_all(self._setbacks.failed(event))
        if self._setbacks.is_worth_a_word(event.wait):
            self._say(f"Cannot {event.wait.value} now: {event.reason}")
        if self._cancel_wanted and self._contact is Contact.OVER:
            self._end_if_stuck()

    def _worked(self, wait: Wait) -> None:
        commands = tuple(self._setbacks.worked(wait))
        if commands:
            self._do_all(commands)
            self._say("Waiting for a machine" if self.state is JobState.QUEUED else "")

    def _try_now(self) -> None:
        for wait in Wait:
            if self._forget_pause(wait):
                self._try_again(wait)

    def _forget_pause(self, wait: Wait) -> bool:
        """Whether *wait* was waited for."""
        was_paused = self._setbacks.over(wait)
        if was_paused:
            self._do(do.ForgetPause(wait))
        return was_paused

    def _try_again(self, wait: Wait) -> None:
        match wait:
            case Wait.STAGE:
                self._do(do.Stage())
            case Wait.SUBMIT:
                self._submit()
            case Wait.FOLLOW:
                self._follow()
            case Wait.CANCEL:
                self._do(do.CancelAtRunPod())
            case Wait.SAVE:
                self._do_all(self._results.save())
            case Wait.REFETCH:
                self._do_all(self._results.refetch())
            case _:
                assert_never(wait)

    # -- ends

    def _end_when_all_is_done(self) -> None:
        if self.ended or not self._results.queue.is_idle:
            return
        translator, now_ms = self._results.translator, self._now_ms
        if self._ending is not None:
            stored = StoredFiles(self._results.names, tuple(self._results.lost), self._results.output_folder)
            self._end(ending_of(self._ending, translator, stored, now_ms=now_ms))
        elif self._verdict is not None and self._cancel_wanted:
            self._cancelled()
        elif self._verdict is not None:
            self._end(explained_end(self._verdict, translator, now_ms=now_ms))

    def _fail(self, error_type: str, text: str, *, node_id: str = "", stop: bool = False) -> None:
        translator = self._results.translator
        end = failed_end(translator, self._job, error_type, text, node_id=node_id, now_ms=self._now_ms)
        self._end(replace(end, fetchable=stop), stop=stop)  # what one version cannot read, another one may

    def _end(self, end: do.End, *, stop: bool = False) -> None:
        self._contact, self.ended = Contact.OVER, True
        self._do(replace(end, stop=stop))
