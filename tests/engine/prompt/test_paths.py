"""What becomes of paths, by what they name here."""

import pytest

from engine.model.input_file import InputFile
from engine.prompt.path_texts import PathText, PathUse
from engine.prompt.paths import NOTHING, LocalPath, PathFindings, PathKind, path_findings, with_places
from wire.paths import WorkerPath

FILE = LocalPath(PathKind.FILE, "input", "a.png")
FOLDER = LocalPath(PathKind.FOLDER, "input", "clips", ("clips/1.png", "clips/2.png"))
MADE = LocalPath(PathKind.FOLDER, "output", "made", ("made/1.png",))
OUTSIDE = LocalPath(PathKind.FILE)
PROMPT = {"1": {"class_type": "Kind", "inputs": {"x": "text", "seed": 5}}}


def text(path: str = "text", use: PathUse = PathUse.TEXT, *, writes: bool = False, saves: bool = False) -> PathText:
    return PathText("1", "x", path, path, use, writes, saves)


def findings(one: PathText, local: LocalPath, *, worker_paths: bool = False) -> PathFindings:
    return path_findings(PROMPT, [(one, local)], worker_paths=worker_paths)


def place(folder: str, path: str) -> WorkerPath:
    return WorkerPath.model_validate({"node": "1", "input": "x", "folder": folder, "path": path})


@pytest.mark.parametrize("use", [PathUse.TEXT, PathUse.MARKED])
def test_a_file_is_sent_and_named_where_it_lies_on_the_worker(use: PathUse) -> None:
    found = findings(text(use=use), FILE)

    assert found.files == (InputFile("1", "x", "text", "input", "a.png"),)
    assert with_places(PROMPT, found, found.files) == (
        {"1": {"class_type": "Kind", "inputs": {"x": "input/a.png", "seed": 5}}},
        (place("input", "a.png"),),
    )
    assert PROMPT["1"]["inputs"] == {"x": "text", "seed": 5}


def test_a_folder_is_sent_with_its_files_and_keeps_apart_from_the_input_folders() -> None:
    inside, made = findings(text(), FOLDER), findings(text(), MADE)

    assert [file.path for file in inside.files] == ["clips/1.png", "clips/2.png"]
    assert with_places(PROMPT, inside, inside.files)[1] == (place("input", "clips"),)
    assert [file.worker_path for file in made.files] == ["output/made/1.png"]
    assert with_places(PROMPT, made, made.files)[1] == (place("input", "output/made"),)


def test_a_choice_keeps_its_name_where_the_worker_has_it_under_the_same() -> None:
    inside, made = findings(text(use=PathUse.CHOICE), FOLDER), findings(text(use=PathUse.CHOICE), MADE)

    assert with_places(PROMPT, inside, inside.files) == (PROMPT, ())
    assert with_places(PROMPT, made, made.files)[0]["1"]["inputs"]["x"] == "output/made"


@pytest.mark.parametrize("one", [text(writes=True), text(saves=True)])
def test_what_a_node_makes_in_the_output_folder_is_not_sent(one: PathText) -> None:
    assert findings(one, MADE) == PathFindings()


def test_an_absolute_folder_that_a_node_makes_becomes_the_workers_own() -> None:
    new = LocalPath(PathKind.NOTHING, "output", "new")
    found = findings(text("/home/me/ComfyUI/output/new", saves=True), new)

    assert found.files == ()
    assert with_places(PROMPT, found, ())[1] == (place("output", "new"),)


@pytest.mark.parametrize(
    ("path", "local"), [("models/x", OUTSIDE), ("/home/me/a.png", NOTHING), ("~/a/b", NOTHING), ("C:\\a", NOTHING)]
)
def test_a_path_that_leads_elsewhere_is_refused_on_its_node_with_what_to_do(path: str, local: LocalPath) -> None:
    errors = findings(text(path), local).node_errors

    assert list(errors) == ["1"]
    assert errors["1"]["class_type"] == "Kind"
    (error,) = errors["1"]["errors"]
    assert error["type"] == "custom_validation_failed"
    assert error["extra_info"]["input_name"] == "x"
    assert "input folder" in error["details"]
    assert "WORKER_PATHS=1" in error["details"]


@pytest.mark.parametrize("path", ["models/x", "/home/me/a.png", "C:\\a"])
def test_the_setting_lets_every_path_pass(path: str) -> None:
    assert findings(text(path), OUTSIDE, worker_paths=True) == PathFindings()


@pytest.mark.parametrize("path", ["/runpod-volume/a.png", "/workspace/clips", "and/or", "video/ComfyUI"])
def test_a_path_of_the_volume_and_other_texts_pass(path: str) -> None:
    assert findings(text(path), NOTHING) == PathFindings()


def test_a_default_is_sent_but_neither_refused_nor_taken_for_a_whole_input_folder() -> None:
    default = text("./input/")._replace(is_default=True)

    assert findings(default, OUTSIDE) == PathFindings()
    assert findings(default, LocalPath(PathKind.FOLDER, "input", "", ("a.png",))) == PathFindings()
    assert len(findings(default, FILE).files) == 1


def test_a_folder_that_is_too_large_is_refused_with_the_reason() -> None:
    errors = findings(text(), LocalPath(PathKind.FOLDER, "input", "many", (), "it is too large")).node_errors

    assert "it is too large" in errors["1"]["errors"][0]["details"]


def test_a_folder_is_not_sent_to_a_node_that_wants_a_file() -> None:
    one = text(use=PathUse.MARKED)._replace(wants_file=True)

    assert findings(one, FOLDER) == PathFindings()
    assert findings(one, LocalPath(PathKind.FOLDER, "input", "", (), "it is too large")) == PathFindings()


def test_a_text_changes_only_when_a_comfyui_elsewhere_has_the_file() -> None:
    found = findings(text("input/a.png"), LocalPath(PathKind.UNSEEN, "input", "a.png"))

    assert found.unseen == found.files
    assert [file.certain for file in found.files] == [False]
    assert with_places(PROMPT, found, ()) == (PROMPT, ())
    assert with_places(PROMPT, found, found.files)[1] == (place("input", "a.png"),)


def test_what_must_be_there_is_certain_also_when_comfyui_is_elsewhere() -> None:
    away = LocalPath(PathKind.UNSEEN, "input", "a.png")

    assert [file.certain for file in findings(text("/srv/comfyui/input/a.png"), away).files] == [True]
    assert [file.certain for file in findings(text("input/a.png", PathUse.MARKED), away).files] == [True]
