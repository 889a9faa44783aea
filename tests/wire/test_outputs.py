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
        OutputFile("output", "", "d.bin"),
    )
    assert [file.certain for file in output_files(output)] == [True, True, False, False, True]


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
