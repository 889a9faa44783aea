"""Which files a prompt names."""

from typing import Any

import pytest

from proxy.core.inputs import find_inputs, refusals, split_annotation, staged_prompt

LOADER = {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}}
INFOS: dict[str, dict[str, Any] | None] = {
    "LoadImage": LOADER,
    "LoadVideo": {"input": {"required": {"file": ["COMBO", {"options": [], "video_upload": True}]}}},
    "Load3D": {
        "input": {
            "required": {"model_file": [[], {"file_upload": True}], "image": ["LOAD_3D", {}], "width": ["INT", {}]}
        }
    },
    "Webcam": {"input": {"required": {"image": ["WEBCAM", {}]}}},
    "Text": {"input": {"required": {"text": ["STRING", {"multiline": True}]}}},
    "Combo": {"input": {"optional": {"name": [["a.png", "b.png"], {}]}}},
    "Unknown": None,
}


def prompt(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": kind, "inputs": inputs}}


@pytest.mark.parametrize(
    ("kind", "inputs", "paths"),
    [
        ("LoadImage", {"image": "a.png"}, ["input:a.png"]),
        ("LoadImage", {"image": "sub dir/ä.png"}, ["input:sub dir/ä.png"]),
        ("LoadImage", {"image": "a.png [output]"}, ["output:a.png"]),
        ("LoadImage", {"image": "clipspace/m.png [input]"}, ["input:clipspace/m.png"]),
        ("LoadImage", {"image": "a.png[output]"}, ["input:a.png[output]"]),
        ("LoadImage", {"image": ["2", 0]}, []),
        ("LoadImage", {"image": {"__value__": ["a.png", "b.png [temp]"]}}, ["input:a.png", "temp:b.png"]),
        ("LoadVideo", {"file": "v.mp4"}, ["input:v.mp4"]),
        ("Webcam", {"image": "webcam/x.png [temp]"}, ["temp:webcam/x.png"]),
        (
            "Load3D",
            {"model_file": "3d/x.glb", "image": {"image": "t/s.png [temp]", "camera_info": {}, "recording": ""}},
            ["input:3d/x.glb", "temp:t/s.png"],
        ),
        ("Text", {"text": "a.png"}, []),
        ("Combo", {"name": "a.png"}, []),
        ("Unknown", {"image": "a.png"}, []),
    ],
)
def test_files_are_found_by_the_nodes_definition(kind: str, inputs: dict[str, Any], paths: list[str]) -> None:
    found = find_inputs(prompt(kind, **inputs), INFOS)

    assert [f"{file.folder}:{file.path}" for file in found] == paths


@pytest.mark.parametrize("name", ["../a.png", "/etc/hostname", "x/../../a.png [output]", "C:\\a.png"])
def test_a_name_that_leads_out_is_a_node_error(name: str) -> None:
    errors = refusals(prompt("LoadImage", image=name), INFOS)

    assert errors["1"]["class_type"] == "LoadImage"
    assert errors["1"]["errors"][0]["extra_info"] == {"input_name": "image", "received_value": name}


def test_files_of_other_folders_keep_apart_on_the_worker() -> None:
    before = prompt("LoadImage", image={"__value__": ["a.png", "a.png [output]", "a.png [temp]"]}, seed=2**64 - 1)
    after = staged_prompt(before, find_inputs(before, INFOS))

    assert after["1"]["inputs"]["image"] == {"__value__": ["a.png", "output/a.png", "temp/a.png"]}
    assert after["1"]["inputs"]["seed"] == 2**64 - 1
    assert before["1"]["inputs"]["image"]["__value__"][1] == "a.png [output]"


def test_an_annotation_needs_its_space() -> None:
    assert split_annotation("a.png [temp]") == ("a.png", "temp")
    assert split_annotation("a.png") == ("a.png", "input")
