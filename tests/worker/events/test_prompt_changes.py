"""What custom nodes changed in a prompt is told: once, in its places, within a budget."""

from typing import Any

from wire.changes import Change
from wire.events import PromptChanged
from wire.limits import PROMPT_CHANGES, PROMPT_CHANGES_MAX
from worker.events.prompt_changes import PromptChanges

PROMPT = {"1": {"class_type": "Wildcards", "inputs": {"text": "__animal__", "seed": 1}}}
WORKFLOW = {"nodes": [{"id": 1, "widgets_values": ["__animal__", 1]}]}
EXTRA = {"extra_pnginfo": {"workflow": WORKFLOW}}


def item(prompt: Any, extra_data: Any = EXTRA) -> list[Any]:
    return [0, "p", prompt, {**extra_data, "client_id": "c"}, ["1"]]


def with_text(text: str) -> dict[str, Any]:
    return {"1": {"class_type": "Wildcards", "inputs": {"text": text, "seed": 1}}}


def test_an_unchanged_prompt_is_not_worth_a_word() -> None:
    assert PromptChanges(PROMPT, EXTRA).seen(item(PROMPT)) is None


def test_only_what_is_different_is_told_and_only_once() -> None:
    changes = PromptChanges(PROMPT, EXTRA)
    widgets = {"workflow": {"nodes": [{"id": 1, "widgets_values": ["cat", 1]}]}}

    first = changes.seen(item(with_text("cat"), {"extra_pnginfo": widgets}))
    again = changes.seen(item(with_text("cat"), {"extra_pnginfo": widgets}))

    assert first == PromptChanged(
        prompt=(Change(path=("1", "inputs", "text"), value="cat"),),
        extra_pnginfo=(Change(path=("workflow", "nodes", 0, "widgets_values", 0), value="cat"),),
    )
    assert again is None


def test_a_later_change_is_told_as_a_whole() -> None:
    changes = PromptChanges(PROMPT, {})
    changes.seen(item(with_text("cat"), {}))

    later = changes.seen(item(with_text("dog"), {}))

    assert later == PromptChanged(prompt=(Change(path=("1", "inputs", "text"), value="dog"),))


def test_the_workflow_is_left_out_when_it_is_too_large() -> None:
    large = {"extra_pnginfo": {"workflow": "x" * PROMPT_CHANGES_MAX}}

    changed = PromptChanges(PROMPT, EXTRA).seen(item(with_text("cat"), large))

    assert changed == PromptChanged(prompt=(Change(path=("1", "inputs", "text"), value="cat"),))


def test_a_prompt_that_is_changed_too_much_is_shown_as_it_was_sent() -> None:
    many: dict[str, Any] = {str(node): {} for node in range(PROMPT_CHANGES + 1)}

    assert PromptChanges(PROMPT, {}).seen(item(with_text("x" * PROMPT_CHANGES_MAX), {})) is None
    assert PromptChanges(PROMPT, {}).seen(item(PROMPT | many, {})) is None


def test_half_a_character_in_a_name_is_not_taken_for_a_change() -> None:
    odd = {**PROMPT, "\ud800": {"class_type": "A", "inputs": {}}}

    assert PromptChanges(odd, {}).seen(item(odd, {})) is None


def test_an_item_of_another_shape_is_not_compared() -> None:
    changes = PromptChanges(PROMPT, EXTRA)
    items: list[object] = [None, {}, [], [0, "p", None, {}], [0, "p", PROMPT, None]]

    assert [changes.seen(odd) for odd in items] == [None] * 5
