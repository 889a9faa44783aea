"""Which files an output of ComfyUI's names."""

from typing import Any

import pytest

from wire.outputs import OutputFile, output_files


def test_files_are_found_under_any_key() -> None:
    output = {
        "images": [{"filename": "a.png", "subfolder": "s", "type": "output"}, {"filename": "a.png", "subfolder": "s"}],
        "gifs": [{"filename": "v.mp4", "type": "temp", "format": "video/h264-mp4", "frame_rate": 8.0}],
        "anything": {"filename": "x.bin"},
        "result": ["mesh/m_00001_.GLB", None, "no file"],
        "text": ["a.png", "mesh/m.glb"],
        "deep": {"er": [{"filename": "d.bin", "type": "output"}], "n": 3},
        "animated": [True],
        "local": [{"filename": "in.png", "type": "input"}, {"filename": 3}, {"filename": "b", "subfolder": 3}],
    }

    assert output_files(output) == (
        OutputFile("output", "s", "a.png"),
        OutputFile("temp", "", "v.mp4"),
        OutputFile("output", "", "x.bin"),
        OutputFile("output", "mesh", "m_00001_.GLB"),
        OutputFile("temp", "mesh", "m_00001_.GLB"),
        OutputFile("output", "", "d.bin"),
    )
    assert [file.certain for file in output_files(output)] == [True, True, False, False, False, True]


def test_a_file_beside_that_of_an_item_is_found_under_any_name() -> None:
    film = {"filename": "v_00001-audio.mp4", "subfolder": "clips", "type": "temp", "format": "video/h264-mp4"}
    beside = {"workflow": "v_00001.png", "fullpath": "/comfyui/temp/clips/v_00001-audio.mp4", "frame_rate": 8.0}
    words = {"prompt": "a cat. a dog", "version": "1.2", "display": " .png", "long": f"{'x' * 300}.png"}

    film_file, side_file = output_files({"gifs": [film | beside | words]})

    assert film_file == OutputFile("temp", "clips", "v_00001-audio.mp4")
    assert side_file == OutputFile("temp", "clips", "v_00001.png")
    assert (film_file.certain, side_file.certain) == (True, False)


MODELS = ["glb", "gltf", "obj", "fbx", "stl", "usdz", "ply", "splat", "spz", "ksplat"]


@pytest.mark.parametrize("ending", MODELS)
def test_a_3d_preview_is_looked_for_in_both_folders(ending: str) -> None:
    name = f"preview_splat_0a1b.{ending}"

    found = output_files({"result": [name, {"position": {"x": 1}}, [{"name": "part"}]]})

    assert found == (OutputFile("output", "", name), OutputFile("temp", "", name))
    assert not any(file.certain for file in found)


def test_the_background_of_a_3d_preview_is_in_the_temp_folder() -> None:
    found = output_files({"result": ["mesh/x.glb", None, "temp/bg_0a1b.png"]})

    assert found[2:] == (OutputFile("temp", "", "bg_0a1b.png"),)
    assert output_files({"result": ["temp/", "bg_0a1b.png"], "text": ["temp/bg.png"]}) == ()


@pytest.mark.parametrize(
    "output",
    [
        {},
        {"images": []},
        {"images": None, "text": ["x"]},
        {"images": [{"filename": ""}, {"filename": None}, {"name": "a.png"}]},
        {"images": [{"filename": "a.png", "type": "input"}, {"filename": "b.png", "type": "elsewhere"}]},
        {"result": ["picture.png", 3, None]},
    ],
)
def test_an_output_may_name_no_file(output: dict[str, Any]) -> None:
    assert output_files(output) == ()


def test_a_file_is_certain_if_one_of_its_items_is() -> None:
    once, again = {"filename": "a.png"}, {"filename": "a.png", "subfolder": "", "type": "output"}

    (file,) = output_files({"custom": [once], "images": [again]})

    assert file.certain
