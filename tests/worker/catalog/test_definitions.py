"""The files of jobs are not part of a catalog, or each job would change it."""

from typing import Any

import pytest

from worker.catalog.definitions import JobFiles, without_files

PRESENT = JobFiles(frozenset({"a.png", "b.png", "b.png [output]", "deep/c.png"}), frozenset({"deep", "temp"}))


def offered(spec: list[Any], name: str = "image", present: JobFiles = PRESENT) -> Any:
    info = {"input": {"required": {name: spec}, "hidden": {"prompt": "PROMPT"}}, "output": ["IMAGE"]}
    nodes = without_files({"Loader": info, "Other": {"input": {}}}, present, {"Loader": {"model": "checkpoints"}})
    assert nodes["Other"] == {"input": {}}
    assert (nodes["Loader"]["output"], nodes["Loader"]["input"]["hidden"]) == (["IMAGE"], {"prompt": "PROMPT"})
    changed = nodes["Loader"]["input"]["required"][name]
    return changed[1]["options"] if changed[0] == "COMBO" else changed[0]


@pytest.mark.parametrize("spec", [[["x.png"], {"image_upload": True}], ["COMBO", {"options": ["x"], "file_upload": 1}]])
def test_an_input_that_says_that_it_names_files_offers_none(spec: list[Any]) -> None:
    assert offered(spec) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["a.png", "b.png [output]"], []),
        (["deep/c.png"], []),
        (["deep", "temp"], []),
        (["None", "a.png"], ["None"]),
        (["none", "latest", "a.png"], ["none", "latest"]),
        (["input", "temp"], ["input", "temp"]),
        (["none", "gone.png"], ["none", "gone.png"]),
        (["other.png", "a.png"], ["other.png", "a.png"]),
        ([], []),
    ],
)
def test_choices_that_are_files_of_the_moment_go(before: list[str], after: list[str]) -> None:
    assert offered([before, {}]) == after
    assert offered(["COMBO", {"options": before}]) == after


def test_a_model_of_the_same_name_stays() -> None:
    assert offered([["a.png"], {}], name="model") == ["a.png"]


def test_comfyui_s_own_unmarked_loader_is_known() -> None:
    info = {"input": {"required": {"latent": [["x.latent"]]}}}

    nodes = without_files({"LoadLatent": info}, JobFiles(), {})

    assert nodes["LoadLatent"]["input"]["required"]["latent"] == [[]]
    assert info["input"]["required"]["latent"] == [["x.latent"]]
