"""What is wrong with one node, by the definition that runs it: what is sure, and what its own check may allow."""

from typing import Any

import pytest

from engine.prompt.node_check import LOCAL, InputProblem, Lists, is_core, own_findings, specs
from tests.support.catalogs import endpoint, info, node, sides

COLORS = ["red", "green"]
INFOS = {
    "Core": info({"color": [COLORS], "vae_name": [["pixel_space"]], "size": ["INT", {"max": 8}]}, ["IMAGE"]),
    "Custom": info({"color": [COLORS], "size": ["INT", {"max": 8}], "image": ["IMAGE"]}, ["MASK"], "custom_nodes.x"),
}
THERE = Lists(classes=frozenset(INFOS))


def found(given: dict[str, Any], lists: Lists) -> list[tuple[str, str, bool]]:
    """Input, type and certainty of each finding at the node 1."""
    findings: tuple[InputProblem, ...] = own_findings(
        {"1": given, "2": node("Custom"), "3": node("Core")}, INFOS, lists
    ).get("1", ())
    return [(one.input_name, one.error["type"], one.certain) for one in findings]


CORE = {"color": "red", "vae_name": "pixel_space", "size": 8}
CUSTOM = {"color": "red", "size": 8, "image": ["3", 0]}


@pytest.mark.parametrize(
    ("given", "here", "there"),
    [
        (node("Core", **CORE), [], []),
        (
            node("Core", **CORE | {"color": "mauve"}),
            [("color", "value_not_in_list", True)],
            [("color", "value_not_in_list", True)],
        ),
        (node("Core", **CORE | {"vae_name": "taesd"}), [], [("vae_name", "value_not_in_list", False)]),
        (node("Custom", **CUSTOM | {"color": "mauve"}), [], [("color", "value_not_in_list", False)]),
        (node("Custom", **CUSTOM | {"size": 9}), [], [("size", "value_bigger_than_max", False)]),
    ],
)
def test_what_an_own_check_may_allow_is_a_doubt_and_only_where_the_endpoint_defines_it(
    given: dict[str, Any], here: list[object], there: list[object]
) -> None:
    assert found(given, LOCAL) == here
    assert found(given, THERE) == there


@pytest.mark.parametrize("lists", [LOCAL, THERE], ids=["defined here", "defined there"])
def test_a_link_of_another_type_is_wrong_whoever_made_the_node(lists: Lists) -> None:
    assert found(node("Custom", **CUSTOM | {"image": ["2", 0]}), lists) == [("image", "return_type_mismatch", True)]


@pytest.mark.parametrize(
    ("class_type", "inputs", "missing"),
    [
        ("CheckpointLoaderSimple", {"ckpt_name": "there.safetensors"}, []),
        ("CheckpointLoaderSimple", {"ckpt_name": "here.safetensors"}, [("checkpoints", "here.safetensors", True)]),
        ("CheckpointLoaderSimple", {"ckpt_name": {"__value__": "x.pt"}}, [("checkpoints", "x.pt", True)]),
        ("OnlyThere", {"lora": "None"}, []),
        ("OnlyThere", {"lora": "sub/l.safetensors"}, []),
        ("OnlyThere", {"lora": "l.safetensors"}, [("loras", "l.safetensors", True)]),
    ],
)
def test_a_model_that_the_endpoint_lacks_is_sure_also_of_a_custom_node(
    class_type: str, inputs: dict[str, Any], missing: list[object]
) -> None:
    prompt = {"1": node(class_type, **inputs)}
    judged = sides(prompt, endpoint())
    findings = own_findings(prompt, judged.infos, judged.lists).get("1", ())

    assert [(one.kind, one.value, one.certain) for one in findings if one.kind] == missing


def test_a_link_to_a_node_of_an_unknown_class_is_not_judged() -> None:
    prompt = {"1": node("Custom", color="red", size=8, image=["2", 7]), "2": node("OfNobody")}

    assert own_findings(prompt, {**INFOS, "OfNobody": None}, THERE) == {}


def test_only_inputs_with_a_spec_count() -> None:
    odd = {"input": {"required": {"a": ["INT"], "b": []}, "optional": None}}

    assert specs(odd) == {"a": (["INT"], True)}


def test_partner_nodes_may_have_checks_of_their_own() -> None:
    assert is_core({"python_module": "comfy_extras.nodes_x"})
    assert not is_core({"python_module": "comfy_api_nodes.nodes_x"})
