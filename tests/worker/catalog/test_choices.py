"""What an input offers, in the two spellings of object_info."""

from typing import Any

import pytest

from worker.catalog.choices import choices, inputs_of, with_choices


@pytest.mark.parametrize(
    ("spec", "offered"),
    [
        ([["a", "b"]], ["a", "b"]),
        ([[], {"image_upload": True}], []),
        (["COMBO", {"options": ["a"], "default": "a"}], ["a"]),
        (["COMBO", {"remote": {"route": "/internal/files/output"}}], None),
        (["COMBO"], None),
        ([[1, 2]], None),
        (["INT", {"options": "none"}], None),
        ([], None),
        ("COMBO", None),
        (None, None),
    ],
)
def test_only_choices_between_texts_count(spec: Any, offered: list[str] | None) -> None:
    assert choices(spec) == offered


def test_other_choices_leave_all_else_as_it_is() -> None:
    old: list[Any] = [["a"], {"tooltip": "t"}, "more"]
    new: list[Any] = ["COMBO", {"options": ["a"], "default": "a"}, "more"]

    assert with_choices(old, ["x"]) == [["x"], {"tooltip": "t"}, "more"]
    assert with_choices(new, []) == ["COMBO", {"options": [], "default": "a"}, "more"]
    assert (old[0], new[1]["options"]) == (["a"], ["a"])


@pytest.mark.parametrize("info", [{}, {"input": None}, {"input": {"required": 5, "optional": None}}])
def test_a_class_of_another_shape_has_no_inputs(info: dict[str, Any]) -> None:
    assert list(inputs_of(info)) == []


def test_hidden_inputs_are_not_chosen() -> None:
    info = {"input": {"required": {"a": 1}, "optional": {"b": 2}, "hidden": {"c": "PROMPT"}}}

    assert dict(inputs_of(info)) == {"a": 1, "b": 2}
