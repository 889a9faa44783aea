"""How a name becomes a path: strictly where somebody asks for it, by where it really is where ComfyUI has given it."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.names import ACCEPTED, REFUSED
from wire.names import NameRefused
from worker.folders import Folders, confined, inside

PIECES = st.text(st.sampled_from("ab./\\~\x00 C:é"), max_size=8)


@pytest.mark.parametrize("path", REFUSED, ids=ascii)
def test_a_name_that_somebody_asks_for_is_refused_where_it_is_refused_elsewhere(tmp_path: Path, path: str) -> None:
    subfolder, _, filename = path.rpartition("/")

    with pytest.raises(NameRefused):
        confined(tmp_path, subfolder, filename)


@pytest.mark.parametrize("path", ACCEPTED, ids=ascii)
def test_an_honest_name_becomes_the_path_of_its_file(tmp_path: Path, path: str) -> None:
    subfolder, _, filename = path.rpartition("/")

    assert confined(tmp_path, subfolder, filename) == tmp_path / path


@given(PIECES, PIECES)
def test_a_name_is_refused_or_stays_inside(subfolder: str, filename: str) -> None:
    root = Path(tempfile.gettempdir()).resolve() / "not-there"
    for look in (confined, inside):
        try:
            path = look(root, subfolder, filename)
        except NameRefused:
            continue

        assert path.is_relative_to(root)
        assert path != root


@pytest.mark.parametrize("name", ["clips\\x.png", "x\t.png", "C:x.png", "sub/../x.png", "./x.png"])
def test_what_comfyui_has_named_is_found_whatever_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / name).write_bytes(b"x")

    assert inside(tmp_path, "", name).read_bytes() == b"x"


@pytest.mark.parametrize(
    ("subfolder", "filename"), [("", "../secret"), ("..", "secret"), ("", "link"), ("", "."), ("", "\0")]
)
def test_what_lies_elsewhere_is_never_ours(tmp_path: Path, subfolder: str, filename: str) -> None:
    root = tmp_path / "output"
    root.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(NameRefused):
        inside(root, subfolder, filename)


def test_the_folders_are_made_where_comfyui_looks(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "data")
    folders.create()

    assert sorted(path.name for path in folders.data.iterdir()) == ["input", "output", "temp", "user"]
    assert folders.root("temp") == tmp_path / "data" / "temp"
