"""What is wrong with a prompt, before anything is paid."""

from typing import Any

import pytest

from engine.prompt.judgement import judgement
from engine.prompt.sides import Sides
from engine.prompt.validation import Verdict, judge


def info(required: dict[str, Any], output: list[Any], module: str = "nodes", **optional: Any) -> dict[str, Any]:
    return {"input": {"required": required, "optional": optional}, "output": output, "python_module": module}


COLORS = ["red", "green", "blue"]
INFOS = {
    "Make": info({"size": ["INT", {"min": 1, "max": 64}], "color": [COLORS]}, ["IMAGE"]),
    "New": info({"mode": ["COMBO", {"options": COLORS}], "amount": ["FLOAT", {"max": 1.0}]}, ["IMAGE"]),
    "Model": info({"ckpt_name": [["a.safetensors"]], "vae_name": [["pixel_space"]]}, ["MODEL", "IMAGE"]),
    "Load": info({"image": [["a.png"], {"image_upload": True}]}, ["IMAGE"]),
    "Grow": info({"images": ["COMFY_AUTOGROW_V3", {}]}, ["IMAGE"]),
    "Any": info({"value": ["*"]}, ["*"]),
    "Save": info({"images": ["IMAGE"]}, [], mask=["MASK"]),
    "Custom": info({"size": ["INT", {"max": 8}], "choice": [COLORS]}, ["IMAGE,MASK"], module="custom_nodes.x"),
}


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def make(**inputs: Any) -> dict[str, Any]:
    return node("Make", **{"size": 8, "color": "red", **inputs})


def saved(source: dict[str, Any]) -> dict[str, Any]:
    return {"1": source, "9": node("Save", images=["1", 0])}


def judged(prompt: dict[str, Any], *outputs: str, infos: dict[str, Any] = INFOS) -> Verdict:
    """The verdict with what is wrong with each node by itself."""
    return judge(prompt, infos, outputs, judgement(prompt, Sides.here_only(infos), outputs).errors)


def errors(prompt: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Node, type and details of every error."""
    found = judged(prompt, "9").node_errors
    return [(node_id, one["type"], one["details"]) for node_id, entry in found.items() for one in entry["errors"]]


@pytest.mark.parametrize(
    "source",
    [
        make(),
        make(size="12"),
        make(size=3.7),
        make(size={"__value__": 3}),
        make(unknown="is passed over"),
        node("New", mode="blue", amount=0.5),
        node("Load", image="sub/not in the list.png"),
        node("Grow", **{"images.image0": ["2", 0]}),
        node("Any", value=["2", 0]),
        node("Custom", size=999, choice="what its own check allows"),
    ],
)
def test_what_comfyui_would_run_is_not_refused(source: dict[str, Any]) -> None:
    assert errors({**saved(source), "2": make()}) == []


@pytest.mark.parametrize(
    "source",
    [
        node("Model", ckpt_name="sdxl/only-there.safetensors", vae_name="taesd"),
        node("Model", ckpt_name="a.safetensors", vae_name="pixel_space"),
    ],
)
def test_models_are_left_to_the_endpoint(source: dict[str, Any]) -> None:
    prompt = {"1": source, "9": node("Save", images=["1", 1])}

    assert errors(prompt) == []


@pytest.mark.parametrize(
    ("source", "kind", "details"),
    [
        (node("Make", color="red"), "required_input_missing", "size"),
        (make(size=0), "value_smaller_than_min", "size"),
        (make(size=65), "value_bigger_than_max", "size"),
        (make(size="many"), "invalid_input_type", "size, many, invalid literal for int() with base 10: 'many'"),
        (make(color="mauve"), "value_not_in_list", "color: 'mauve' not in ['red', 'green', 'blue']"),
        (node("New", mode="mauve", amount=0), "value_not_in_list", "mode: 'mauve' not in ['red', 'green', 'blue']"),
        (make(size=["2"]), "bad_linked_input", "size"),
        (make(size=["404", 0]), "bad_linked_input", "size"),
        (make(size=["2", 5]), "bad_linked_input", "size"),
        (make(size=["2", 0]), "return_type_mismatch", "size, received_type(IMAGE) mismatch input_type(INT)"),
        (node("Custom", choice="red"), "required_input_missing", "size"),
    ],
)
def test_what_comfyui_would_refuse_is_refused_in_its_words(source: dict[str, Any], kind: str, details: str) -> None:
    assert errors({**saved(source), "2": make()}) == [("1", kind, details)]


def test_an_optional_input_may_be_missing_but_not_be_wrong() -> None:
    prompt = saved(make())
    wrong = {**prompt, "9": node("Save", images=["1", 0], mask=["1", 0])}

    assert errors(prompt) == []
    assert errors(wrong) == [("9", "return_type_mismatch", "mask, received_type(IMAGE) mismatch input_type(MASK)")]


def test_an_error_names_the_outputs_that_depend_on_it_and_the_others_run() -> None:
    prompt = {**saved(make(size=0)), "2": make(), "8": node("Save", images=["2", 0])}
    verdict = judged(prompt, "8", "9")

    assert verdict.outputs == ("8",)
    assert {node_id: entry["dependent_outputs"] for node_id, entry in verdict.node_errors.items()} == {"1": ["9"]}
    assert verdict.node_errors["1"]["class_type"] == "Make"


def test_an_error_of_a_node_that_no_output_needs_is_not_told() -> None:
    assert errors({**saved(make()), "2": make(size=0)}) == []


def test_a_circle_is_an_error_and_not_an_endless_loop() -> None:
    prompt = {"1": node("Any", value=["2", 0]), "2": node("Any", value=["1", 0]), "9": node("Save", images=["1", 0])}

    path = "1 (Any) -> 2 (Any) -> 1 (Any)"

    assert sorted(errors(prompt)) == [("1", "dependency_cycle", path), ("2", "dependency_cycle", path)]


def test_a_circle_that_outputs_are_part_of_is_told_once_for_each_of_its_nodes() -> None:
    prompt = {"1": node("Any", value=["9", 0]), "9": node("Both", images=["1", 0])}
    infos = {**INFOS, "Both": {**INFOS["Save"], "output": ["IMAGE"]}}
    verdict = judged(prompt, "9", infos=infos)
    told = verdict.node_errors["9"]["errors"]

    assert verdict.details == "Dependency cycle detected: 9 (Both) -> 1 (Any) -> 9 (Both)"
    assert [one["extra_info"] for one in told] == [{"node_id": "9", "cycle_nodes": ["9", "1"]}]


def test_a_chain_that_is_too_deep_to_follow_is_left_to_the_endpoint() -> None:
    chain = {str(n): node("Any", value=[str(n + 1), 0]) for n in range(10, 3000)}
    prompt = {**chain, "3000": make(size=0), "9": node("Save", images=["10", 0])}

    assert judged(prompt, "9").outputs == ("9",)


def test_errors_that_were_found_before_count_as_well() -> None:
    known = {"1": [{"type": "custom_validation_failed", "message": "no", "details": "image - none", "extra_info": {}}]}
    verdict = judge(saved(make()), INFOS, ("9",), known)

    assert verdict.outputs == ()
    assert verdict.node_errors["1"]["errors"] == known["1"]


def test_a_node_of_an_unknown_class_needs_whatever_it_is_linked_to() -> None:
    prompt = {"1": make(size=0), "2": node("OfNobody", image=["1", 0]), "9": node("Save", images=["2", 3])}

    assert errors(prompt) == [("1", "value_smaller_than_min", "size")]
    assert errors({**prompt, "1": make()}) == []
