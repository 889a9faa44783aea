"""Which events are news."""

from hypothesis import given
from hypothesis import strategies as st

from engine.model.sequence import Progress, accept
from wire.batch import Batch, NumberedEvent
from wire.events import NodeStarted


def batch(run: str, started: int, seqs: list[int]) -> Batch:
    events = tuple(NumberedEvent(seq=seq, event=NodeStarted(node=str(seq))) for seq in seqs)
    return Batch(run=run, started=started, events=events)


def test_events_are_applied_once() -> None:
    first = accept(batch("a", 1, [0, 1]), Progress())
    again = accept(batch("a", 1, [0, 1, 2]), first.progress)

    assert [item.seq for item in first.fresh] == [0, 1]
    assert [item.seq for item in again.fresh] == [2]


def test_what_comes_after_a_gap_waits_for_the_aggregate() -> None:
    intake = accept(batch("a", 1, [2, 3]), Progress("a", 1, 1))

    assert intake.fresh == ()
    assert intake.progress.next_seq == 1


def test_a_newer_run_starts_over_and_an_older_one_is_ignored() -> None:
    newer = accept(batch("b", 2, [0]), Progress("a", 1, 7))
    older = accept(batch("a", 1, [7]), newer.progress)

    assert newer.restarted
    assert newer.progress == Progress("b", 2, 1)
    assert older.fresh == ()
    assert older.progress == newer.progress


def test_the_first_run_is_no_restart() -> None:
    assert not accept(batch("a", 1, [0]), Progress()).restarted


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 31))
def test_however_replies_repeat_or_go_missing_the_aggregate_completes_the_story(lost: list[int], size: int) -> None:
    progress, applied = Progress(), []
    batches = [batch("a", 1, list(range(at, min(at + size, 31)))) for at in range(0, 31, size)]
    stream = [one for at, one in enumerate(batches) if at not in lost]
    for one in [*stream, *batches]:
        intake = accept(one, progress)
        applied += [item.seq for item in intake.fresh]
        progress = intake.progress

    assert applied == list(range(31))
