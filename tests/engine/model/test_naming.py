"""ComfyUI's counter rule for local names."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.naming import local_names, localised, next_counter, shared_numbers
from wire.outputs import ItemKey


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], 1),
        (["ComfyUI_00001_.png"], 2),
        (["ComfyUI_00041_.flac", "ComfyUI_00007_.png"], 42),
        (["ComfyUI_two_00009_.png", "Other_00099_.png", "ComfyUI.png"], 1),
        (["ComfyUI_00012.mp4"], 13),
    ],
)
def test_the_next_number_is_one_more_than_the_highest(taken: list[str], expected: int) -> None:
    assert next_counter("ComfyUI", taken) == expected


@pytest.mark.parametrize(
    ("names", "taken", "expected"),
    [
        (["x_00001_.png", "x_00002_.png"], ["x_00041_.png"], ["x_00042_.png", "x_00043_.png"]),
        (["v_00001.mp4", "v_00001-audio.mp4"], ["v_00003.mp4"], ["v_00004.mp4", "v_00004-audio.mp4"]),
        (["batch_0_00001_.png", "batch_1_00002_.png"], [], ["batch_0_00001_.png", "batch_1_00001_.png"]),
        (["report.txt"], ["report.txt", "report (1).txt"], ["report (2).txt"]),
        (["noextension"], ["noextension"], ["noextension (1)"]),
        ([".hidden"], [".hidden"], [".hidden (1)"]),
    ],
)
def test_worker_names_get_free_local_ones(names: list[str], taken: list[str], expected: list[str]) -> None:
    assert local_names(names, taken) == expected


def test_a_file_that_comes_later_shares_the_number_of_those_before_it() -> None:
    stored: dict[ItemKey, ItemKey] = {
        ("output", "clips", "v_00001-audio.mp4"): ("output", "clips", "v_00007-audio.mp4"),
        ("output", "clips", "note.txt"): ("output", "clips", "note (1).txt"),
        ("output", "other", "w_00001_.png"): ("output", "other", "w_00003_.png"),
        ("temp", "clips", "v_00002.png"): ("temp", "clips", "v_00009.png"),
    }
    shared = shared_numbers(stored, "output", "clips")
    taken = ["v_00007-audio.mp4", "v_00007.png"]

    assert shared == {("v", 1): 7}
    assert local_names(["v_00001.mp4", "v_00001.png", "v_00002.mp4"], taken, shared) == [
        "v_00007.mp4",
        "v_00008.png",
        "v_00009.mp4",
    ]


NAMES = st.lists(
    st.one_of(
        st.builds("{}_{:05}_.png".format, st.sampled_from(["a", "a_b"]), st.integers(0, 30)),
        st.builds("{}_{:05}.mp4".format, st.sampled_from(["a", "a_b"]), st.integers(0, 30)),
        st.sampled_from(["x.txt", "y", "a.png"]),
    ),
    unique=True,
)


@given(NAMES, NAMES)
def test_no_name_is_ever_given_twice(names: list[str], taken: list[str]) -> None:
    given_names = local_names(names, taken)

    assert len(given_names) == len(names)
    assert len({*given_names, *taken}) == len(names) + len(taken)


def test_what_the_workers_list_of_assets_calls_a_file_means_nothing_here() -> None:
    names: dict[ItemKey, ItemKey] = {("output", "", "a.png"): ("output", "", "a.png")}
    item = {"filename": "a.png", "subfolder": "", "type": "output"}
    asset = "0f2a3c4d-0000-4000-8000-00000000000a"
    output = {"images": [{**item, "id": asset, "preview_id": asset}, {**item, "id": "of a custom node", "hash": asset}]}

    assert localised(output, names) == {"images": [item, {**item, "id": "of a custom node", "hash": asset}]}


def test_every_file_item_is_renamed_whatever_its_key() -> None:
    names: dict[ItemKey, ItemKey] = {
        ("output", "mesh", "m_00001_.glb"): ("output", "mesh", "m_00005_.glb"),
        ("output", "", "v_00001.mp4"): ("output", "", "v_00002.mp4"),
    }
    output = {
        "gifs": [{"filename": "v_00001.mp4", "subfolder": "", "type": "output", "fullpath": "/worker/v", "x": 1}],
        "result": ["mesh/m_00001_.glb", None],
        "text": ["mesh/m_00001_.glb"],
        "deep": {"er": [{"filename": "v_00001.mp4"}]},
        "animated": [True],
    }

    assert localised(output, names) == {
        "gifs": [{"filename": "v_00002.mp4", "subfolder": "", "type": "output", "x": 1}],
        "result": ["mesh/m_00005_.glb", None],
        "text": ["mesh/m_00001_.glb"],
        "deep": {"er": [{"filename": "v_00002.mp4", "subfolder": "", "type": "output"}]},
        "animated": [True],
    }


def test_a_file_beside_that_of_an_item_is_renamed_with_it_and_no_path_of_the_worker_stays() -> None:
    names: dict[ItemKey, ItemKey] = {
        ("output", "clips", "v_00001-audio.mp4"): ("output", "clips (1)", "v_00004-audio.mp4"),
        ("output", "clips", "v_00001.png"): ("output", "clips (1)", "v_00004.png"),
    }
    film = {"filename": "v_00001-audio.mp4", "subfolder": "clips", "type": "output", "frame_rate": 8.0}
    paths = {
        "fullpath": "/comfyui/output/clips/v_%03d.png",
        "saved_to": "/comfyui/output/clips/v_00001-audio.mp4",
        "on_windows": "C:\\ComfyUI\\output\\clips\\v_00001.png",
    }
    words = {"model": "/models/sdxl.safetensors", "title": "v_00001", "url": "v_00002.png"}
    output = {"gifs": [film | {"workflow": "v_00001.png"} | paths | words]}
    stored = {"filename": "v_00004-audio.mp4", "subfolder": "clips (1)", "type": "output", "workflow": "v_00004.png"}
    here = {
        "saved_to": "/home/me/output/clips (1)/v_00004-audio.mp4",
        "on_windows": "/home/me/output/clips (1)/v_00004.png",
    }

    assert localised(output, names) == {"gifs": [{"frame_rate": 8.0, **stored, **words}]}
    assert localised(output, names, PurePosixPath("/home/me/output")) == {
        "gifs": [{"frame_rate": 8.0, **stored, **here, **words}]
    }


@pytest.mark.parametrize("root", ["/comfyui/output", "/a/output/b/output", "C:\\ComfyUI\\output"])
def test_a_path_into_the_workers_folder_becomes_one_into_the_local_folder(root: str) -> None:
    names: dict[ItemKey, ItemKey] = {
        ("output", "day", "x_0001.png"): ("output", "day", "x_0001 (1).png"),
        ("output", "", "y.png"): ("output", "", "y.png"),
        ("temp", "", "p.png"): ("temp", "", "p (1).png"),
    }
    slash = "\\" if "\\" in root else "/"
    others = [
        "/models/y.png",
        "/comfyui/output/other/y.png",
        "output/y.png",
        "/" * 9000,
        f"/{'output/' * 500}y.png",
        "/",
    ]
    output = {"files": [f"{root}{slash}day{slash}x_0001.png", f"{root}{slash}y.png", "/comfyui/temp/p.png", *others]}

    here = localised(output, names, PurePosixPath("/home/me/pictures"))
    elsewhere = localised(output, names)

    assert here == {"files": ["/home/me/pictures/day/x_0001 (1).png", "/home/me/pictures/y.png", "p (1).png", *others]}
    assert elsewhere == {"files": ["day/x_0001 (1).png", "y.png", "p (1).png", *others]}


def test_the_paths_of_a_3d_preview_are_local_ones() -> None:
    names: dict[ItemKey, ItemKey] = {
        ("temp", "", "preview_splat_a.ply"): ("temp", "", "preview_splat_a (1).ply"),
        ("temp", "", "bg_a.png"): ("temp", "", "bg_a (1).png"),
    }
    output = {"result": ["preview_splat_a.ply", {"zoom": 1}, "temp/bg_a.png", "temp/bg_b.png"]}

    assert localised(output, names) == {
        "result": ["preview_splat_a (1).ply", {"zoom": 1}, "temp/bg_a (1).png", "temp/bg_b.png"]
    }


def comfyuis_counter(prefix: str, listed: list[str]) -> int:
    """ComfyUI 0.8.0, folder_paths.py ``get_save_image_path``, on Linux."""

    def numbered(filename: str) -> tuple[int, str]:
        start = filename[: len(prefix) + 1]
        try:
            return int(filename[len(prefix) + 1 :].split("_", maxsplit=1)[0]), start
        except ValueError:
            return 0, start

    found = [pair for pair in map(numbered, listed) if pair[1][:-1] == prefix and pair[1][-1:] == "_"]
    return max(found)[0] + 1 if found else 1


@given(
    st.lists(
        st.builds(
            "{}_{}_{}".format,
            st.sampled_from(["a", "a_b", "A", "a_", "b"]),
            st.one_of(st.integers(0, 10**6).map("{:05}".format), st.sampled_from(["", "x", "1x"])),
            st.sampled_from([".png", ".flac", "", "2_.png"]),
        )
    ),
    st.sampled_from(["a", "a_b", "b", "c"]),
)
def test_the_counter_is_comfyuis(listed: list[str], prefix: str) -> None:
    assert next_counter(prefix, listed) == comfyuis_counter(prefix, listed)
