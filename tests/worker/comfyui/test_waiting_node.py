"""When a node is said to wait for a person: scripts of what ComfyUI sends and of what else shows that it works."""

from dataclasses import replace

import pytest

from wire.events import MessagesSkipped, NodeMessage, NodeStarted, StepProgress, WorkerEvent
from worker.comfyui.waiting_node import Signs, WaitingNode

QUESTION = NodeMessage(type="chooser-asks", data={"id": "5"})
IDLE = Signs(cpu_s=1.0)


class Told:
    """A node that is listened to second by second."""

    def __init__(self) -> None:
        self.signs = IDLE
        self.now = 0.0
        self.said: list[float] = []
        self.node = WaitingNode(lambda: self.signs, quiet_s=30)

    def hears(self, *events: WorkerEvent) -> None:
        self.node.heard(events, self.now)

    def goes_on(self, seconds: int, *, cpu_share: float = 0.0, ticks: bool = False) -> None:
        for _ in range(seconds):
            self.now += 1
            if self.signs.cpu_s is not None:
                self.signs = replace(self.signs, cpu_s=self.signs.cpu_s + cpu_share)
            if ticks:
                self.hears(NodeMessage(type="chooser-tick", data=self.now))
            if self.node.is_due(self.now):
                self.said.append(self.now)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_node_that_asked_and_then_does_nothing_waits_for_a_person(told: Told) -> None:
    told.hears(NodeStarted(node="5"), QUESTION)
    told.goes_on(40)

    assert len(told.said) == 1
    assert 30 <= told.said[0] <= 35


def test_it_is_said_again_ever_more_seldom(told: Told) -> None:
    told.hears(QUESTION)
    told.goes_on(600)

    gaps = [after - before for before, after in zip(told.said, told.said[1:], strict=False)]
    assert gaps == [60, 120, 240]


def test_a_node_that_counts_the_seconds_down_waits_too(told: Told) -> None:
    told.hears(QUESTION)
    told.goes_on(40, ticks=True)

    assert len(told.said) == 1


def test_a_node_that_never_sent_a_message_is_only_slow(told: Told) -> None:
    told.hears(NodeStarted(node="5"))
    told.goes_on(300)

    assert told.said == []


@pytest.mark.parametrize("moved", [StepProgress(node="5", value=1, max=2), NodeStarted(node="6")])
def test_what_moves_afterwards_ends_the_waiting(told: Told, moved: WorkerEvent) -> None:
    told.hears(QUESTION, moved)
    told.goes_on(300)

    assert told.said == []


def test_a_question_after_progress_counts_from_the_question(told: Told) -> None:
    told.hears(QUESTION)
    told.goes_on(20)
    told.hears(StepProgress(node="5", value=1, max=2), QUESTION)
    told.goes_on(28)
    assert told.said == []
    told.goes_on(10)
    assert len(told.said) == 1


def test_messages_that_were_left_out_are_not_progress(told: Told) -> None:
    told.hears(QUESTION, MessagesSkipped(type="chooser-tick"))
    told.goes_on(40)

    assert len(told.said) == 1


def test_who_computes_does_not_wait(told: Told) -> None:
    told.hears(QUESTION)
    told.goes_on(300, cpu_share=0.5)
    assert told.said == []
    told.goes_on(70)
    assert told.said


def test_who_writes_to_the_log_or_loads_a_model_does_not_wait(told: Told) -> None:
    told.hears(QUESTION)
    for number in range(10):
        told.goes_on(20)
        told.signs = replace(told.signs, log=(f"{number} %",))
    assert told.said == []
    told.signs = replace(told.signs, loads=True)
    told.goes_on(100)
    assert told.said == []


def test_what_nobody_can_measure_counts_as_work(told: Told) -> None:
    told.signs = Signs(cpu_s=None)
    told.hears(QUESTION)
    told.goes_on(300)

    assert told.said == []
