"""InputFile: where a file lies on the worker."""

import pytest

from engine.model.input_file import InputFile
from wire.files import Folder


@pytest.mark.parametrize(
    ("folder", "place"), [("input", "sub/a.png"), ("output", "output/sub/a.png"), ("temp", "temp/sub/a.png")]
)
def test_files_of_other_folders_lie_apart_on_the_worker(folder: Folder, place: str) -> None:
    assert InputFile("1", "image", "a.png", folder, "sub/a.png").worker_path == place
