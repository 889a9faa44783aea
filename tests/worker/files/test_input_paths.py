"""Whole paths in a prompt, written by the worker."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.names import REFUSED
from wire.job import JobRequest, decode_request
from worker.files.input_paths import with_whole_paths
from worker.files.input_staging import BadInput
from worker.folders import Folders

WORKFLOW: dict[str, Any] = {"1": {"class_type": "Read", "inputs": {"path": "input/a.txt", "seed": 5}}}


def request(path: str, node: str = "1", name: str = "path", folder: str = "input") -> JobRequest:
    place = {"node": node, "input": name, "folder": folder, "path": path}
    return decode_request({"workflow": WORKFLOW, "paths": [place]})


@pytest.mark.parametrize(
    ("path", "folder", "whole"),
    [("a.txt", "input", "input/a.txt"), ("b/c", "output", "output/b/c"), ("", "temp", "temp")],
)
def test_an_input_gets_the_path_in_the_workers_own_folder(tmp_path: Path, path: str, folder: str, whole: str) -> None:
    changed = with_whole_paths(request(path, folder=folder), Folders(tmp_path))

    assert changed.workflow == {"1": {"class_type": "Read", "inputs": {"path": str(tmp_path / whole), "seed": 5}}}
    assert WORKFLOW["1"]["inputs"]["path"] == "input/a.txt"


@pytest.mark.parametrize("path", [path for path in REFUSED if path], ids=ascii)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadInput):
        with_whole_paths(request(path), Folders(tmp_path))


@pytest.mark.parametrize(("node", "name"), [("2", "path"), ("1", "other")])
def test_an_input_that_is_not_there_is_refused(tmp_path: Path, node: str, name: str) -> None:
    with pytest.raises(BadInput):
        with_whole_paths(request("a.txt", node, name), Folders(tmp_path))


def test_a_request_without_paths_is_left_as_it_is(tmp_path: Path) -> None:
    plain = decode_request({"workflow": WORKFLOW})

    assert with_whole_paths(plain, Folders(tmp_path)) is plain
