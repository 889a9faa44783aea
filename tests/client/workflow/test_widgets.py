"""Which widgets the page makes for an input."""

from typing import Any

import pytest

from client.workflow.definition import input_spec
from client.workflow.widgets import KINDS, UNSET, made_for


def values(name: str, spec: Any) -> list[Any]:
    return [widget.value for widget in made_for(input_spec(name, spec))]


@pytest.mark.parametrize(
    ("spec", "default"),
    [
        (["INT"], 0),
        (["INT", {"default": 7}], 7),
        (["FLOAT", {"default": 0.5}], 0.5),
        (["BOOLEAN"], False),
        (["STRING", {"multiline": True}], ""),
        ([["a", "b"]], "a"),
        ([["a", "b"], {"default": "b"}], "b"),
        (["COMBO", {"options": []}], UNSET),
        (["COMBO", {"options": ["a"], "multi_select": {}}], []),
        (["COLOR"], "#000000"),
        (["CURVE"], {"points": [[0, 0], [1, 1]], "interpolation": "monotone_cubic"}),
        (["VIDEO_EDIT", {"features": ["trim"]}], {"trim": {"start_time": 0, "duration": 0}}),
        (["TEXTAREA", {"options": {"default": "t"}}], "t"),
    ],
    ids=str,
)
def test_a_widget_starts_with_its_default(spec: Any, default: Any) -> None:
    assert values("x", spec)[:1] == [default]


@pytest.mark.parametrize("name", ["seed", "noise_seed"])
def test_a_seed_is_followed_by_what_happens_to_it_after_a_run(name: str) -> None:
    assert values(name, ["INT"]) == [0, "randomize"]
    assert values(name, ["INT", {"control_after_generate": False}]) == [0]
    assert values("other", ["INT", {"control_after_generate": "fixed"}]) == [0, "fixed"]


def test_a_combo_that_changes_after_a_run_has_a_filter_as_well() -> None:
    assert values("x", [["a"], {"control_after_generate": True}]) == ["a", "randomize", ""]


def test_choices_that_come_from_a_route_have_a_switch_and_a_button() -> None:
    made = made_for(input_spec("image", ["COMBO", {"remote": {"route": "/files", "refresh_button": True}}]))

    assert [(widget.name, widget.value, widget.sent) for widget in made] == [
        ("image", "Loading...", True),
        ("Auto-refresh after generation", False, False),
        ("refresh", "refresh", True),
    ]


def test_only_its_own_value_of_a_box_is_sent() -> None:
    made = made_for(input_spec("crop", ["BOUNDING_BOX"]))

    assert [widget.name for widget in made] == ["crop", "x", "y", "width", "height"]
    assert [widget.name for widget in made if widget.sent] == ["crop"]
    assert all(widget.saved for widget in made)


def test_a_player_is_neither_saved_nor_sent() -> None:
    (player,) = made_for(input_spec("audioUI", ["AUDIO_UI"]))

    assert not player.saved
    assert not player.sent


def test_an_input_that_only_takes_links_has_no_widget() -> None:
    assert made_for(input_spec("image", ["IMAGE"])) == []
    assert made_for(input_spec("text", ["STRING", {"forceInput": True}])) == []


def test_two_nodes_never_share_a_default() -> None:
    spec = input_spec("c", ["CURVE"])
    made_for(spec)[0].value["points"].append([2, 2])

    assert len(made_for(spec)[0].value["points"]) == 2


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_can_be_made_from_a_bare_definition(kind: str) -> None:
    assert made_for(input_spec("x", [kind]))
