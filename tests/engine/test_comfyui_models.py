"""A model's file is found by ComfyUI's own account, and nothing else is ever found."""

from pathlib import Path

import pytest

from engine.comfyui_models import file_of, is_listed, model_folders, model_sizes


def test_folders_and_sizes_are_read_and_odd_items_are_left_out() -> None:
    folders = [
        {"name": "vae", "folders": ["/a/vae", "relative", 5]},
        {"name": 5, "folders": []},
        {"name": "loras"},
        None,
    ]
    sizes = [{"name": "a.pt", "size": 5}, {"name": "sub\\b.pt"}, {"name": "c.pt", "size": "6"}, {"size": 1}, "d.pt"]

    assert model_folders(folders) == {"vae": (Path("/a/vae"),)}
    assert model_sizes(sizes) == {"a.pt": 5, "sub/b.pt": None, "c.pt": None}


def test_the_file_with_the_listed_size_is_meant(tmp_path: Path) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for folder, content in ((first, b"other"), (second, b"model of ours")):
        folder.mkdir()
        (folder / "a.pt").write_bytes(content)

    assert file_of("a.pt", 13, [first, second]) == second / "a.pt"
    assert file_of("a.pt", None, [first, second]) == first / "a.pt"
    assert file_of("a.pt", 99, [first, second]) is None
    assert file_of("b.pt", 13, [first, second, tmp_path / "missing"]) is None


@pytest.mark.parametrize(
    ("name", "listed"),
    [("a.pt", True), ("b.pt", False), ("../a.pt", False), ("/etc/passwd", False), ("", False), ("a\0.pt", False)],
)
def test_only_a_name_that_comfyui_lists_is_looked_for(name: str, listed: bool) -> None:
    told = {"a.pt": 1, "../a.pt": 1, "/etc/passwd": 1, "a\0.pt": 1}

    assert is_listed(name, told) is listed
