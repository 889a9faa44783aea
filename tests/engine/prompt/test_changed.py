"""The prompt as it ran is shown, as long as it is one."""

from typing import Any

import pytest

from engine.prompt.changed import changed_prompt
from wire.changes import Change
from wire.events import PromptChanged
from wire.limits import NESTING_MAX, PROMPT_CHANGES_MAX

PROMPT: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "mine.png [output]"}},
    "2": {"class_type": "Wildcards", "inputs": {"text": "__animal__", "seed": 1}},
}
EXTRA: dict[str, Any] = {"client_id": "c", "extra_pnginfo": {"workflow": {"nodes": [{"widgets_values": [1]}]}}}
SEED = Change(path=("2", "inputs", "seed"), value=77)


def changed(*changes: Change) -> Any:
    return changed_prompt(PROMPT, EXTRA, PromptChanged(prompt=changes))


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_global_seed_is_shown_in_the_prompt_and_in_the_workflow() -> None:
    widget = Change(path=("workflow", "nodes", 0, "widgets_values", 0), value=77)

    shown = changed_prompt(PROMPT, EXTRA, PromptChanged(prompt=(SEED,), extra_pnginfo=(widget,)))

    assert shown == (
        {**PROMPT, "2": {"class_type": "Wildcards", "inputs": {"text": "__animal__", "seed": 77}}},
        {"client_id": "c", "extra_pnginfo": {"workflow": {"nodes": [{"widgets_values": [77]}]}}},
    )


def test_a_file_name_that_was_rewritten_for_the_worker_stays_the_persons() -> None:
    assert changed(SEED)[0]["1"] == PROMPT["1"]


def test_nodes_come_and_go() -> None:
    added = {"class_type": "New", "inputs": {}}

    prompt, _ = changed(Change(path=("3",), value=added), Change(path=("1",), is_removed=True))

    assert prompt == {"2": PROMPT["2"], "3": added}


def test_what_the_page_did_not_send_cannot_be_changed() -> None:
    event = PromptChanged(prompt=(SEED,), extra_pnginfo=(Change(path=("workflow",), value={}),))

    shown = changed_prompt(PROMPT, {"client_id": "c"}, event)

    assert shown is not None
    assert shown[1] == {"client_id": "c"}


def test_the_rest_of_what_came_with_the_prompt_cannot_be_replaced() -> None:
    event = PromptChanged(extra_pnginfo=(Change(path=(), value="not an object"),))

    assert changed_prompt(PROMPT, EXTRA, event) == (PROMPT, EXTRA)


@pytest.mark.parametrize(
    "change",
    [
        Change(path=(), value=[]),
        Change(path=(), value={}),
        Change(path=("1",), value=None),
        Change(path=("1", "class_type"), value=7),
        Change(path=("1", "class_type"), value="a\nb"),
        Change(path=("1", "inputs"), value=[]),
        Change(path=("1", "inputs", "image"), value=deep(NESTING_MAX)),
        Change(path=("1", "inputs", "image"), value="x" * PROMPT_CHANGES_MAX),
    ],
    ids=[
        "a list",
        "nothing",
        "not a node",
        "a number as class",
        "an odd class",
        "a list as inputs",
        "too deep",
        "too large",
    ],
)
def test_changes_after_which_it_is_not_a_prompt_are_not_shown(change: Change) -> None:
    assert changed(SEED, change) is None
