"""Workflow files become prompts."""

import json
from pathlib import Path
from typing import Any

import pytest

from client.send.page import PageFailed
from client.send.prompts import Changes, Converter, OrderRefused, WorkflowFile, checked_prompt, known, prompts, read
from client.workflow.workflow import Workflow

DATA = Path(__file__).resolve().parents[2] / "data"
PICTURE = DATA / "embedded" / "png.png"
NODES: dict[str, Any] = json.loads((DATA / "conversion-nodes.json").read_text(encoding="utf-8"))
NO_CHANGES = Changes((), None, random_seed=False, count=1)


def graph(kind: str, values: list[Any]) -> dict[str, Any]:
    return {"nodes": [{"id": 1, "type": kind, "widgets_values": values}], "links": []}


def source(kind: str, values: list[Any]) -> WorkflowFile:
    return WorkflowFile(Path("w.json"), Workflow(None, graph(kind, values)), NODES)


ALONE = Converter(None, always=False, say=print)


async def inputs(of: WorkflowFile, changes: Changes = NO_CHANGES, seed: int = 0) -> list[dict[str, Any]]:
    return [prompt["1"]["inputs"] for prompt in await prompts(of, changes, lambda: seed, ALONE)]


def test_a_result_holds_what_the_page_showed_and_what_ran() -> None:
    workflow = read(PICTURE, api=False)

    assert workflow.embedded
    assert workflow.graph is not None
    assert workflow.prompt is not None


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is not JSON"), (b"\x89PNG\r\n\x1a\n", "holds no workflow"), (b"\xff\xfe{", "holds no workflow"),
     (b'{"\xff', ".*is not UTF-8 text"), (b"a readme", "is not JSON")],
)  # fmt: skip
def test_a_file_without_a_workflow_is_refused_with_its_name(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x.png").write_bytes(content)

    with pytest.raises(OrderRefused, match=f"x.png: {says}"):
        read(tmp_path / "x.png", api=False)


def test_a_mark_before_the_text_is_not_part_of_it() -> None:
    assert read(DATA / "conversion" / "bom.api.json", api=False).prompt is not None


async def test_what_ran_is_sent_if_asked_or_if_no_comfyui_answers() -> None:
    workflow = read(PICTURE, api=True)
    for api in (True, False):
        found = await known(PICTURE, workflow, None, api=api)

        assert await prompts(found, NO_CHANGES, lambda: 0, ALONE) == [workflow.prompt]


async def test_the_format_of_the_page_alone_needs_a_comfyui_and_is_not_what_ran(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps(graph("EmptyImage", [])), encoding="utf-8")

    with pytest.raises(OrderRefused, match=r"w.json: .* only a running ComfyUI .* 'Export \(API\)'"):
        await known(path, read(path, api=False), None, api=False)
    with pytest.raises(OrderRefused, match=r"w.json: --api: holds only the format of ComfyUI's page"):
        read(path, api=True)


async def test_each_job_has_a_seed_of_its_own() -> None:
    changes = Changes((), 5, random_seed=False, count=3)

    assert [each["seed"] for each in await inputs(source("KSampler", [1, "fixed"]), changes)] == [5, 6, 7]


async def test_the_seed_decides_what_is_chosen_in_a_text() -> None:
    text = source("CLIPTextEncode", ["{a|b|c|d}"])
    once = [(await inputs(text, seed=seed))[0]["text"] for seed in range(30)]
    again = [(await inputs(text, seed=seed))[0]["text"] for seed in range(30)]

    assert set(once) == {"a", "b", "c", "d"}
    assert once == again


async def test_a_refusal_names_the_file_the_node_and_the_way_out() -> None:
    with pytest.raises(
        OrderRefused, match=r"^w.json: EmptyImage #1: 'x' is saved .*; no browser .*; open it .* 'Export \(API\)'$"
    ):
        await inputs(source("EmptyImage", ["x"]))


async def test_a_refusal_of_a_result_names_what_ran_as_the_way_out() -> None:
    embedded = WorkflowFile(Path("p.png"), Workflow({"1": {}}, graph("EmptyImage", ["x"]), embedded=True), NODES)

    with pytest.raises(OrderRefused, match=r"; --api sends what ran when ComfyUI made this file$"):
        await inputs(embedded)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (Changes(("color",), None, random_seed=False, count=1), "--set: "),
        (Changes((), 1, random_seed=False, count=1), "--seed: "),
    ],
)
async def test_a_change_that_fits_nothing_names_its_option(changes: Changes, says: str) -> None:
    with pytest.raises(OrderRefused, match="^" + says):
        await inputs(source("EmptyImage", []), changes)


async def test_a_page_that_is_wanted_and_not_there_is_said() -> None:
    always = Converter(None, always=True, say=print)

    with pytest.raises(OrderRefused, match=r"w.json: --page; no Chromium was found for --page; open it"):
        await prompts(source("EmptyImage", []), NO_CHANGES, lambda: 0, always)


def test_a_node_that_the_page_does_not_know_is_refused() -> None:
    with pytest.raises(PageFailed, match="'1' is not a node with a class_type"):
        checked_prompt({"1": {"inputs": {}}})
