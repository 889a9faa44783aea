"""Which files a prompt names."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.inputs import find_inputs, staged_prompt
from tests.support.names import ACCEPTED
from wire.file_inputs import refusals

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
    "LoadLatent": {"input": {"required": {"latent": [["x.latent"]]}}},
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
        ("LoadImage", {"image": {"__value__": "a.png [temp]"}}, ["temp:a.png"]),
        ("LoadImage", {"image": {"__value__": {"__value__": ["a.png"], "mask": "m.png [temp]"}}}, ["temp:m.png"]),
        ("LoadVideo", {"file": "v.mp4"}, ["input:v.mp4"]),
        ("Webcam", {"image": "webcam/x.png [temp]"}, ["temp:webcam/x.png"]),
        (
            "Load3D",
            {"model_file": "3d/x.glb", "image": {"image": "t/s.png [temp]", "camera_info": {}, "recording": ""}},
            ["input:3d/x.glb", "temp:t/s.png"],
        ),
        ("Text", {"text": "a.png"}, []),
        ("LoadLatent", {"latent": "x.latent"}, ["input:x.latent"]),
        ("Combo", {"name": "a.png"}, ["input:a.png ?"]),
        ("Combo", {"name": "t/a.png [temp]"}, ["temp:t/a.png ?"]),
        ("Combo", {"name": "euler"}, []),
        ("Combo", {"name": "model-v1.5.safetensors"}, []),
        ("Combo", {"name": "../a.png"}, []),
        ("Combo", {"name": "C:\\a.png"}, []),
        ("Combo", {"name": "shot 12:30.png"}, ["input:shot 12:30.png ?"]),
        ("LoadImage", {"image": "shot 12:30.png"}, ["input:shot 12:30.png"]),
        ("Combo", {"name": ["2", 0]}, []),
        ("Unknown", {"image": "a.png"}, []),
    ],
)
def test_files_are_found_by_the_nodes_definition(kind: str, inputs: dict[str, Any], paths: list[str]) -> None:
    found = find_inputs(prompt(kind, **inputs), INFOS)

    assert [f"{file.folder}:{file.path}{'' if file.certain else ' ?'}" for file in found] == paths


def test_files_of_other_folders_keep_apart_on_the_worker() -> None:
    before = prompt("LoadImage", image={"__value__": ["a.png", "a.png [output]", "a.png [temp]"]}, seed=2**64 - 1)
    after = staged_prompt(before, find_inputs(before, INFOS))

    assert after["1"]["inputs"]["image"] == {"__value__": ["a.png", "output/a.png", "temp/a.png"]}
    assert after["1"]["inputs"]["seed"] == 2**64 - 1
    assert before["1"]["inputs"]["image"]["__value__"][1] == "a.png [output]"


@pytest.mark.parametrize(
    "value", ["a.png [temp]", {"__value__": "a.png [temp]"}, {"mask": [{"x": "a.png [temp]"}]}], ids=str
)
def test_a_name_is_found_and_changed_wherever_comfyui_would_find_it(value: Any) -> None:
    before = prompt("LoadImage", image=value)
    (file,) = find_inputs(before, INFOS)
    after = staged_prompt(before, (file,))

    assert str(after) == str(before).replace("a.png [temp]", "temp/a.png")


NAMES = st.sampled_from(ACCEPTED[:8])
VALUES = st.builds(lambda name, ending: name + ending, NAMES, st.sampled_from(["", " [input]", " [output]", " [temp]"]))
LOADERS = st.sampled_from([("LoadImage", "image"), ("LoadVideo", "file"), ("Webcam", "image")])
ANY = st.recursive(
    VALUES | st.text(max_size=4) | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.tuples(LOADERS, VALUES), min_size=1, max_size=6), ANY)
def test_every_file_is_found_and_each_has_its_own_place_on_the_worker(
    loads: list[tuple[tuple[str, str], str]], other: Any
) -> None:
    before = {
        str(number): {"class_type": kind, "inputs": {name: value, "other": other}}
        for number, ((kind, name), value) in enumerate(loads)
    }
    found = find_inputs(before, INFOS)
    after = staged_prompt(before, found)

    assert [(file.value, file.certain) for file in found] == [(value, True) for _, value in loads]
    places = {(file.folder, file.path): file.worker_path for file in found}
    assert len(set(places.values())) == len(places)
    for number, (file, ((kind, name), value)) in enumerate(zip(found, loads, strict=True)):
        node = after[str(number)]
        stays = file.folder == "input"
        assert node == {"class_type": kind, "inputs": {name: value if stays else file.worker_path, "other": other}}


@given(ANY, st.text(max_size=5))
def test_a_text_is_never_taken_for_a_file(value: Any, name: str) -> None:
    assert find_inputs(prompt("Text", text=value), INFOS) == ()
    assert find_inputs(prompt("Unknown", **{name: value}), INFOS) == ()


@given(ANY)
def test_whatever_a_loader_is_given_stays_inside_or_is_refused(value: Any) -> None:
    given_prompt = prompt("LoadImage", image=value)
    if refusals(given_prompt, INFOS):
        return

    for file in find_inputs(given_prompt, INFOS):
        assert not file.worker_path.startswith("/")
        assert ".." not in file.worker_path.split("/")
