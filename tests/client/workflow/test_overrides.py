from typing import Any

import pytest

from client.workflow.overrides import OverrideRefused, with_seed, with_value

PROMPT: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "model": ["4", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a dog"}, "_meta": {"title": "Positive"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry"}, "_meta": {"title": "Negative"}},
    "12:34": {"class_type": "Noise", "inputs": {"noise_seed": ["3", 0]}},
}


@pytest.mark.parametrize(
    ("assignment", "node", "name", "value"),
    [
        ('6.text="a cat"', "6", "text", "a cat"),
        ("6.text=a cat = good", "6", "text", "a cat = good"),
        ("6.text=42", "6", "text", "42"),
        ("Positive.text=x", "6", "text", "x"),
        ("KSampler.steps=30", "3", "steps", 30),
        ("12:34.noise_seed=7", "12:34", "noise_seed", 7),
    ],
)
def test_an_input_is_set_by_id_title_or_class(assignment: str, node: str, name: str, value: object) -> None:
    changed = with_value(PROMPT, assignment)

    assert changed[node]["inputs"][name] == value
    assert PROMPT["6"]["inputs"]["text"] == "a dog"


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        ("text", "NODE.INPUT=VALUE"),
        ("6=x", "NODE.INPUT=VALUE"),
        ("9.text=x", r"no node '9'.*6 \(CLIPTextEncode\)"),
        ("CLIPTextEncode.text=x", "several nodes; use an id: 6, 7"),
        ("3.cfg=7", "no 'cfg'; it has seed, steps, model"),
    ],
)
def test_an_override_that_names_nothing_says_what_there_is(assignment: str, says: str) -> None:
    with pytest.raises(OverrideRefused, match=says):
        with_value(PROMPT, assignment)


def test_a_seed_that_is_fed_by_a_node_is_left_alone() -> None:
    changed = with_seed(PROMPT, 99)

    assert changed["3"]["inputs"]["seed"] == 99
    assert changed["12:34"] == PROMPT["12:34"]


def test_a_workflow_without_a_seed_says_so() -> None:
    with pytest.raises(OverrideRefused, match="no node of this workflow has a seed"):
        with_seed({"6": PROMPT["6"]}, 1)
