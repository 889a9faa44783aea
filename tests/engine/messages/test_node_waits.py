"""A node that waits for a person: what is said depends on whether the answer can arrive."""

import pytest

from engine.messages.node_waits import waits_notice, waits_sentence
from wire.events import NodeWaits


@pytest.mark.parametrize(
    ("seconds", "spent"), [(0.4, "0 s"), (41.6, "42 s"), (59.7, "1 min 0 s"), (754.0, "12 min 34 s")]
)
def test_what_the_waiting_costs_is_said_in_seconds_of_a_worker(seconds: float, spent: str) -> None:
    waits = NodeWaits(node="5", title="Chooser", answerable=True, seconds=seconds)

    assert waits_sentence(waits) == f"Chooser #5 waits for your answer ({spent} of a worker are billed)"


def test_an_answer_that_cannot_arrive_is_said_with_the_ways_out() -> None:
    waits = NodeWaits(node="5", title="Chooser", answerable=False, seconds=42)
    summary, detail = waits_notice(waits)

    assert "press Cancel" in waits_sentence(waits)
    assert summary == "Chooser #5 waits for an answer"
    assert all(word in detail for word in ("volume", "bucket", "Cancel", "your own ComfyUI", "42 s of a worker"))


def test_a_node_without_a_title_is_named_by_its_id() -> None:
    assert waits_sentence(NodeWaits(node="5:1", answerable=True)).startswith("Node #5:1 waits")
