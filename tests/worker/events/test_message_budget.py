"""How much of what custom nodes say travels."""

from hypothesis import given
from hypothesis import strategies as st

from wire.events import MessagesSkipped, NodeFrame, NodeMessage, NodeStarted, WorkerEvent
from wire.files import encode_bytes
from wire.limits import NODE_MESSAGE_MAX, NODE_MESSAGES_PER_S, PREVIEW_MAX
from worker.events.message_budget import MessageBudget

_HALF = NODE_MESSAGE_MAX // 2


def message(kind: str = "k", size: int = 10, note: str = "x") -> NodeMessage:
    return NodeMessage(type=kind, data=note * (size - 2))


def fill(budget: MessageBudget, now: float = 0.0) -> None:
    """What a second has room for has gone on."""
    for _ in range(NODE_MESSAGES_PER_S // _HALF):
        assert list(budget.admit(message("filling", _HALF), now)) == [message("filling", _HALF)]


def test_what_fits_goes_on_at_once_and_in_order() -> None:
    budget = MessageBudget(0.0)
    told: list[WorkerEvent] = [
        message("a"),
        NodeStarted(node="1"),
        message("b"),
        NodeFrame(data=encode_bytes(b"\0\0\0\x09x")),
    ]

    assert [event for one in told for event in budget.admit(one, 0.0)] == told


def test_above_the_rate_the_newest_of_a_kind_wins_and_it_is_said_once() -> None:
    budget = MessageBudget(0.0)
    fill(budget)
    waiting = [event for note in "abc" for event in budget.admit(message("k", note=note), 0.0)]
    other = list(budget.admit(message("other"), 0.0))

    assert waiting == [MessagesSkipped(type="k")]
    assert other == []
    assert list(budget.due(0.0)) == []
    assert list(budget.due(1.0)) == [message("k", note="c"), message("other")]


def test_what_waits_at_the_end_goes_on() -> None:
    budget = MessageBudget(0.0)
    fill(budget)
    list(budget.admit(message("k"), 0.0))

    assert list(budget.rest()) == [message("k")]
    assert list(budget.rest()) == []


def test_a_message_is_not_overtaken_by_a_later_one() -> None:
    budget = MessageBudget(0.0)
    fill(budget)
    list(budget.admit(message("k"), 0.0))

    assert list(budget.admit(message("later"), 1.0)) == []
    assert list(budget.due(1.0)) == [message("k"), message("later")]


def test_a_message_that_is_too_large_is_left_out() -> None:
    budget = MessageBudget(0.0)

    assert list(budget.admit(message("k", NODE_MESSAGE_MAX), 0.0)) == [message("k", NODE_MESSAGE_MAX)]
    assert list(budget.admit(message("k", NODE_MESSAGE_MAX + 1), 0.0)) == [MessagesSkipped(type="k")]
    assert list(budget.admit(NodeFrame(data=encode_bytes(bytes(PREVIEW_MAX + 3))), 0.0)) == []


def test_frames_of_one_place_replace_each_other_and_others_do_not() -> None:
    budget = MessageBudget(0.0)
    fill(budget)
    frames = [
        NodeFrame(data=encode_bytes(bytes([place]) * 40 + picture)) for place in (1, 2) for picture in (b"a", b"b")
    ]

    assert [event for frame in frames for event in budget.admit(frame, 0.0)] == []
    assert list(budget.due(9.0)) == [frames[1], frames[3]]


@given(st.lists(st.tuples(st.integers(0, 999), st.integers(2, NODE_MESSAGE_MAX), st.floats(0, 0.1)), max_size=80))
def test_no_more_than_the_rate_goes_on_and_little_waits(told: list[tuple[int, int, float]]) -> None:
    budget, now, gone = MessageBudget(0.0), 0.0, 0
    for kind, size, pause in told:
        now += pause
        sent = [*budget.due(now), *budget.admit(message(str(kind), size), now)]
        gone += sum(len(event.data) + 2 for event in sent if isinstance(event, NodeMessage))
        assert gone <= NODE_MESSAGES_PER_S * (1 + now) + 1

    assert len(list(budget.rest())) <= 64
