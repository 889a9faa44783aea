"""What counts as a difference between the converter and the page."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conversion.comparing import compare, differing


def prompt(kind: str = "X", **inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}}


@pytest.mark.parametrize(
    ("ours", "page"),
    [
        (prompt(a=1.0), prompt(a=1)),
        (prompt(a=[1, {"b": 2}]), prompt(a=[1.0, {"b": 2}])),
        (prompt(a=2**64 - 1), prompt(a=18446744073709552000)),
        ({"1": {**prompt()["1"], "_meta": {}}}, prompt()),
    ],
    ids=["a number", "inside a list", "rounded by the page", "a title"],
)
def test_the_same_is_the_same(ours: Any, page: Any) -> None:
    assert list(differing(ours, page)) == []


@pytest.mark.parametrize(
    ("ours", "page", "says"),
    [
        (prompt(a=1), prompt(a=2), "1 X.a: 1, the page 2"),
        (prompt(a=True), prompt(a=1), "1 X.a: True, the page 1"),
        (prompt(a=1), prompt(), "1 X.a: 1, the page 'nothing'"),
        (prompt("X"), prompt("Y"), "1: X, the page Y"),
        ({}, prompt(), "1: only the page sent it"),
        (prompt(), {}, "1: only we sent it"),
    ],
)
def test_a_difference_names_node_and_value(ours: Any, page: Any, says: str) -> None:
    assert list(differing(ours, page)) == [says]


def test_what_came_of_each_workflow_is_counted(tmp_path: Path) -> None:
    graph = {"nodes": [{"id": 1, "type": "Number", "widgets_values": [5]}], "links": []}
    (tmp_path / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    about = {"path": str(tmp_path / "graph.json"), "at": "2026-01-01T00:00:00+00:00"}
    records = {
        "object_info": {"Number": {"input": {"required": {"value": ["INT"]}}}},
        "template-same": {**about, "output": prompt("Number", value=5)},
        "template-different": {**about, "output": prompt("Number", value=6)},
        "template-failed": {**about, "error": "the page took too long"},
    }
    for name, record in records.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(record), encoding="utf-8")
    found = compare(tmp_path)

    assert found.summary() == "3 workflows: same 1, refused 0, different 1, not sent by the page 1"
    assert found.different == {"template-different": ["1 Number.value: 5, the page 6"]}
