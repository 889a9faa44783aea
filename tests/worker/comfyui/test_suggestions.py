"""What is added to ComfyUI's refusals."""

from typing import Any

import pytest

from worker.comfyui.suggestions import choices, explained, nearest

NODES: dict[str, Any] = {
    "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [["sdxl/base-1.0.safetensors", "v1-5.ckpt"]]}}},
    "LoadImage": {"input": {"required": {"image": [["example.png", "portrait.png"], {"image_upload": True}]}}},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"]}}},
    "NewStyle": {"input": {"optional": {"mode": ["COMBO", {"options": ["fast", "slow"]}]}}},
}


def refusal(kind: str, name: str, value: object, node: str) -> dict[str, object]:
    info = {"input_name": name, "input_config": None, "received_value": value}
    error = {"type": kind, "message": "Value not in list", "details": f"{name}: not in list", "extra_info": info}
    return {"errors": [error], "dependent_outputs": ["9"], "class_type": node}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("Base-1.0.safetensors", "sdxl/base-1.0.safetensors"),
        ("other\\v1-5.ckpt", "v1-5.ckpt"),
        ("v15.ckpt", "v1-5.ckpt"),
    ],
)
def test_a_name_is_near_whatever_its_folder_and_case(wanted: str, found: str) -> None:
    assert nearest(wanted, ["sdxl/base-1.0.safetensors", "v1-5.ckpt"])[0] == found


def test_what_looks_like_nothing_has_no_nearest_name() -> None:
    assert nearest("zzzzzzzz", ["base.safetensors"]) == []


def test_a_missing_model_is_told_with_the_nearest_ones() -> None:
    errors = {"4": refusal("value_not_in_list", "ckpt_name", "sdxl-base-1.0.safetensors", "CheckpointLoaderSimple")}

    told = explained(errors, {}, {"4": {"class_type": "CheckpointLoaderSimple", "inputs": {}}}, NODES)

    (error,) = told["4"]["errors"]
    assert error["extra_info"]["nearest"] == ["sdxl/base-1.0.safetensors"]
    assert error["details"].endswith("Did you mean 'sdxl/base-1.0.safetensors'?")
    assert error["type"] == "value_not_in_list"
    assert told["4"]["dependent_outputs"] == ["9"]


def test_a_missing_input_file_is_told_with_the_nearest_ones() -> None:
    errors = {"1": refusal("custom_validation_failed", "image", "portrat.png", "LoadImage")}

    told = explained(errors, {}, {"1": {"class_type": "LoadImage"}}, NODES)

    assert told["1"]["errors"][0]["extra_info"]["nearest"] == ["portrait.png"]


@pytest.mark.parametrize("kind", ["invalid_prompt", "missing_node_type"])
def test_every_unknown_node_is_named(kind: str) -> None:
    workflow = {
        "1": {"class_type": "SaveImag"},
        "2": {"class_type": "FromMars"},
        "3": {"class_type": "SaveImage"},
        "4": {},
    }

    told = explained({}, {"type": kind}, workflow, NODES)

    assert list(told) == ["1", "2", "4"]
    assert told["1"]["errors"][0]["type"] == "missing_node_type"
    assert told["1"]["errors"][0]["extra_info"] == {"nearest": ["SaveImage"]}
    assert told["2"]["class_type"] == "FromMars"


def test_a_node_that_comfyui_replaced_is_not_called_unknown_when_something_else_is_wrong() -> None:
    workflow = {"1": {"class_type": "OldName"}, "2": {"class_type": "SaveImage"}}
    errors = {"2": refusal("required_input_missing", "images", None, "SaveImage")}

    assert list(explained(errors, {"type": "prompt_outputs_failed_validation"}, workflow, NODES)) == ["2"]


def test_an_error_that_is_not_about_a_name_stays_as_it_is() -> None:
    errors = {"1": refusal("value_smaller_than_min", "width", -1, "SaveImage")}

    assert explained(errors, {}, {"1": {"class_type": "SaveImage"}}, NODES) == errors


def test_both_spellings_of_a_list_are_read() -> None:
    assert choices(NODES["NewStyle"], "mode") == ["fast", "slow"]
    assert choices(NODES["SaveImage"], "images") == []
    assert choices(NODES["SaveImage"], "none") == []
