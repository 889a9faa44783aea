from engine.jobs.result_queue import ResultQueue
from engine.model.sequence import Progress
from tests.support.playbook import finished, output, received
from wire.batch import NumberedEvent
from wire.events import FileChunk, NodeStarted
from wire.files import encode_bytes

CHUNK = FileChunk(transfer=0, offset=0, data=encode_bytes(b"x"))


def test_events_wait_in_order_behind_an_output_that_is_being_stored() -> None:
    queue, first = ResultQueue(), output("a.png")
    queue.accept(received(first, NodeStarted(node="4")).batch)
    saving = queue.start_saving(first) if queue.next() == first else None
    assert queue.next() is None
    assert not queue.is_idle
    queue.saved()

    assert queue.next() == NodeStarted(node="4")
    assert queue.is_idle
    assert saving is not None


def test_bytes_do_not_wait_they_are_in_their_part_file() -> None:
    queue = ResultQueue()
    accepted = queue.accept(received(CHUNK, NodeStarted(node="4")).batch)

    assert len(accepted.fresh) == 2
    assert queue.next() == NodeStarted(node="4")


def test_the_last_event_is_known_as_soon_as_it_is_received() -> None:
    queue = ResultQueue()
    queue.accept(received(output("a.png"), finished()).batch)

    assert queue.all_received


def test_a_new_run_makes_what_waits_of_the_old_one_void() -> None:
    queue = ResultQueue()
    queue.accept(received(output("a.png"), finished(), run="one", started=1).batch)
    old = queue.start_saving(output("a.png"))
    accepted = queue.accept(received(NodeStarted(node="4"), run="two", started=2).batch)

    assert accepted.restarted
    assert (queue.saving, queue.all_received) == (None, False)
    assert queue.progress == Progress("two", 2, 1)
    assert queue.next() == NodeStarted(node="4")
    assert queue.start_saving(output("a.png")).ticket != old.ticket


def test_what_was_received_before_a_restart_is_there_again() -> None:
    queue = ResultQueue(Progress("one", 1, 2))
    queue.recover([NumberedEvent(seq=0, event=NodeStarted(node="4")), NumberedEvent(seq=1, event=finished())])

    assert queue.all_received
    assert queue.next() == NodeStarted(node="4")
