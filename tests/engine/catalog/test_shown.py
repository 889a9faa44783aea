"""Which of an endpoint's definitions the page can show, and how."""

from typing import Any

import pytest

from engine.catalog.shown import is_shown_name, shown_choices, shown_definition

ATTACK = "<img src=x onerror=alert(1)>"
GOOD: dict[str, Any] = {
    "input": {
        "required": {"mode": [["a", 1, None], {"tooltip": "b < c"}], "model": ["MODEL"], "size": "INT"},
        "optional": {"list": ["COMBO", {"options": ["x", "<none>"], "default": ATTACK}]},
        "hidden": {"unique_id": "UNIQUE_ID"},
    },
    "output": ["IMAGE", ["a", "b"]],
    "output_is_list": [False, True],
    "output_name": ["image", "b"],
    "name": "Node",
    "display_name": None,
    "description": "<b>bold</b> and a < b",
    "python_module": "nodes",
    "category": "image",
    "output_node": False,
    "later": {"unknown": [1, {"key": "kept"}]},
}


def test_a_good_definition_is_shown_as_it_is() -> None:
    assert shown_definition("Node", GOOD) == GOOD


@pytest.mark.parametrize(
    "wrong",
    [
        {"category": 5},
        {"display_name": ["x"]},
        {"description": {}},
        {"python_module": 1},
        {"name": "Other"},
        {"output": "IMAGE"},
        {"output": [3]},
        {"output_name": {}},
        {"output_is_list": "no"},
        {"output_node": "yes"},
        {"input": ["x"]},
        {"input": {"required": []}},
        {"input": {"optional": {"x": None}}},
        {"input": {"required": {"x": []}}},
        {"input": {"required": {"x": ""}}},
        {"input": {"required": {"x": [{"not": "a type"}]}}},
        {"input": {"required": {ATTACK: ["INT"]}}},
        {"input": {"required": {"__proto__": ["INT"]}}},
    ],
    ids=str,
)
def test_a_definition_that_would_break_the_page_is_not_shown(wrong: dict[str, Any]) -> None:
    assert shown_definition("Node", GOOD | wrong) is None


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 301, "__proto__", ATTACK, "\ud800", "<style>*{}"], ids=ascii)
def test_a_name_that_would_harm_the_page_is_not_shown(name: str) -> None:
    assert not is_shown_name(name)
    assert shown_definition(name, {**GOOD, "name": name}) is None


def test_what_is_absent_is_filled_in_as_comfyui_does() -> None:
    assert shown_definition("Node", {}) == {"name": "Node", "category": "sd", "output": [], "input": {}}


def test_a_choice_that_a_menu_would_run_is_left_out() -> None:
    dynamic = {"key": ATTACK, "inputs": {}}

    assert shown_choices(["a", ATTACK, 3, "<none>", "a <= b", dynamic, {"key": "b"}]) == [
        "a",
        3,
        "<none>",
        "a <= b",
        {"key": "b"},
    ]


def test_html_in_a_definition_becomes_text() -> None:
    inputs = {"a": [[ATTACK, "ok"], {"tooltip": ATTACK}], "b": ["COMBO", {"options": ["ok", ATTACK]}]}
    texts = {"description": f"{ATTACK} ![x](https://x.invalid/y)", "display_name": ATTACK, "category": ATTACK}
    shown = shown_definition("Node", {**GOOD, **texts, "input": {"required": inputs}, "output_name": [ATTACK]})

    assert shown is not None
    assert shown["input"]["required"]["a"][0] == ["ok"]
    assert shown["input"]["required"]["b"][1]["options"] == ["ok"]
    assert "<img" not in str(shown)
    assert "![" not in str(shown)


@pytest.mark.parametrize(
    ("route", "stays"),
    [
        ("/internal/files/output", True),
        ("https://evil.example/", False),
        ("//evil.example/", False),
        ("/\\evil.example/", False),
        (None, False),
    ],
)
def test_the_page_fetches_choices_from_comfyui_alone(route: object, stays: bool) -> None:
    inputs = {"file": ["COMBO", {"remote": {"route": route}, "tooltip": "x"}]}
    shown = shown_definition("Node", {**GOOD, "input": {"required": inputs}})

    assert shown is not None
    assert ("remote" in shown["input"]["required"]["file"][1]) is stays


@pytest.mark.timeout(20)
def test_a_long_hostile_text_takes_no_time() -> None:
    text = "<a" * 2_000_000

    assert shown_choices([text]) == [text]
