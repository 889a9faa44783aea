"""ComfyUI's messages become a line of text and two bars."""

from typing import Any

import pytest

from client.send.following import Following
from tests.support.prompts import inverted_image
from wire.comfy import Message


def heard(following: Following, *messages: tuple[str, dict[str, Any]]) -> list[str | None]:
    return [following.hear(Message(kind, data)) for kind, data in messages]


def test_a_run_is_told_by_the_titles_of_its_nodes() -> None:
    following = Following(inverted_image())
    lines = heard(
        following,
        ("notification", {"value": "Waiting for a machine"}),
        ("execution_start", {}),
        ("execution_cached", {"nodes": ["1"]}),
        ("executing", {"node": "2"}),
        ("executing", {"node": "3", "display_node": "3"}),
        ("execution_success", {}),
        ("executing", {"node": None}),
    )

    assert lines == ["Waiting for a machine", "running", None, "Invert Image", "Save Image", "done", None]
    assert following.ended
    assert following.finished == {"1", "2", "3"}
    assert following.error is None


def test_the_bars_count_steps_of_a_node_and_nodes_of_the_prompt() -> None:
    following = Following(inverted_image())
    states = {"1": {"state": "finished"}, "2": {"state": "running"}}
    heard(following, ("executing", {"node": "2"}), ("progress", {"value": 3, "max": 8}))
    during = (following.step, following.steps)
    heard(following, ("progress_state", {"nodes": states}), ("executing", {"node": "3"}))

    assert during == (3, 8)
    assert (following.step, following.steps) == (0, 0)
    assert following.finished == {"1"}
    assert following.nodes == 3


def test_a_second_run_begins_anew() -> None:
    following = Following(inverted_image())
    heard(following, ("execution_cached", {"nodes": ["1", "2"]}), ("execution_start", {}))

    assert following.finished == set()


def test_a_node_that_is_not_in_the_prompt_is_named_by_its_id() -> None:
    assert heard(Following({}), ("executing", {"node": "12:3"})) == ["node 12:3"]


def test_an_empty_notification_changes_nothing() -> None:
    assert heard(Following({}), ("notification", {"value": ""}), ("unheard of", {})) == [None, None]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"node_id": "2", "node_type": "KSampler", "exception_message": "too large\n"}, "KSampler #2: too large"),
        ({"node_id": "2", "exception_message": "x"}, "node #2: x"),
        ({"node_id": "", "exception_message": "the worker ended"}, "the worker ended"),
        ({}, "failed; no reason was given"),
    ],
)
def test_a_failure_names_the_node_and_the_reason(data: dict[str, Any], error: str) -> None:
    following = Following(inverted_image())

    assert heard(following, ("execution_error", data)) == ["failed"]
    assert following.error == error


def test_a_cancelled_run_says_so() -> None:
    assert heard(Following({}), ("execution_interrupted", {})) == ["cancelled"]


@pytest.mark.parametrize("text", ["out of memory", "KSampler #3: out of memory"])
def test_an_error_names_its_node_once(text: str) -> None:
    following = Following({})
    heard(following, ("execution_error", {"node_id": "3", "node_type": "KSampler", "exception_message": text}))

    assert following.error == "KSampler #3: out of memory"
