"""Inputs that make inputs."""

from typing import Any

from client.workflow.dynamic import chosen_index, define
from client.workflow.node import PageNode, merge_inputs
from client.workflow.widgets import Widget

SIZE = {"options": [
    {"key": "by size", "inputs": {"required": {"width": ["INT", {"default": 512}], "image": ["IMAGE"]}}},
    {"key": "by factor", "inputs": {"required": {"factor": ["FLOAT", {"default": 2.0}]}}},
]}  # fmt: skip
GROWING = {"template": {"input": {"required": {"image": ["IMAGE"]}}, "prefix": "image", "min": 1, "max": 3}}


def made(kind: str = "X", saved: Any = None, **required: Any) -> PageNode:
    node = PageNode("1", kind, saved=saved or {})
    dynamic = define(node, {"input": {"required": required}})
    merge_inputs(node)
    dynamic.grow(node)
    return node


def widget(node: PageNode, name: str) -> Widget:
    found = node.widget(name)
    assert found is not None
    return found


def test_a_dynamic_combo_starts_with_its_first_choice() -> None:
    node = made(mode=["COMFY_DYNAMICCOMBO_V3", SIZE], last=["INT"])

    assert [each.name for each in node.widgets] == ["mode", "mode.width", "last"]
    assert [slot.name for slot in node.inputs] == ["mode", "mode.width", "mode.image", "last"]


def test_another_choice_brings_its_own_inputs_in_the_same_place() -> None:
    node = made(mode=["COMFY_DYNAMICCOMBO_V3", SIZE], last=["INT"])
    node.give(widget(node, "mode"), "by factor")

    assert [(each.name, each.value) for each in node.widgets] == [
        ("mode", "by factor"),
        ("mode.factor", 2.0),
        ("last", 0),
    ]


def test_a_choice_that_the_definition_does_not_have_brings_nothing() -> None:
    node = made(mode=["COMFY_DYNAMICCOMBO_V3", SIZE])
    node.give(widget(node, "mode"), "by magic")

    assert [each.name for each in node.widgets] == ["mode"]


def test_a_choice_keeps_the_links_of_inputs_that_it_shares() -> None:
    node = made(saved={"inputs": [{"name": "mode.image", "link": 5}]}, mode=["COMFY_DYNAMICCOMBO_V3", SIZE])
    node.give(widget(node, "mode"), "by size")

    assert [slot.link for slot in node.inputs if slot.name == "mode.image"] == [5]


def test_a_group_has_a_place_more_than_it_must() -> None:
    assert [slot.name for slot in made(images=["COMFY_AUTOGROW_V3", GROWING]).inputs] == [
        "images.image0",
        "images.image1",
    ]


def test_a_linked_member_is_followed_by_another_up_to_the_most() -> None:
    links = {"inputs": [{"name": f"images.image{number}", "link": number} for number in range(3)]}
    node = made(saved=links, images=["COMFY_AUTOGROW_V3", GROWING])

    assert [(slot.name, slot.link) for slot in node.inputs] == [
        (f"images.image{number}", number) for number in range(3)
    ]


def test_a_gap_among_members_of_a_matching_type_is_closed() -> None:
    kind = ["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "*"}}]
    growing = {"template": {"input": {"required": {"in": kind}}, "prefix": "in", "min": 1, "max": 5}}
    saved = {"inputs": [{"name": "list.in0", "link": None}, {"name": "list.in1", "link": 7}]}
    node = made(saved=saved, list=["COMFY_AUTOGROW_V3", growing])

    assert [(slot.name, slot.link) for slot in node.inputs][:2] == [("list.in0", 7), ("list.in1", None)]


def test_members_can_have_names_of_their_own() -> None:
    template = {"input": {"required": {"v": ["INT"]}}, "names": ["a", "b"], "min": 1}
    node = made(values=["COMFY_AUTOGROW_V3", {"template": template}])

    assert [each.name for each in node.widgets] == ["values.a", "values.b"]


def test_a_type_that_matches_is_a_socket_of_the_allowed_types() -> None:
    node = made(any=["COMFY_MATCHTYPE_V3", {"template": {"template_id": "t", "allowed_types": "IMAGE,MASK"}}])

    assert [(slot.name, slot.kind) for slot in node.inputs] == [("any", "IMAGE,MASK")]


def test_a_custom_combo_has_a_place_for_one_more_option() -> None:
    node = made("CustomCombo", choice=["COMBO", {"options": []}])
    for name, value in (("choice", "b"), ("option1", "a"), ("option2", "b")):
        node.give(widget(node, name), value)

    assert [each.name for each in node.widgets] == ["choice", "index", "option1", "option2", "option3"]
    assert chosen_index(node) == 1
