"""A file becomes the page's graph."""

from typing import Any

import pytest

from client.workflow.loading import load
from client.workflow.widgets import GraphUnconvertible

INFOS: dict[str, Any] = {
    "Number": {"input": {"required": {"value": ["INT"]}}, "output": ["INT"], "display_name": "Int"}
}


def number(node_id: int, value: int, **more: Any) -> dict[str, Any]:
    return {"id": node_id, "type": "Number", "widgets_values": [value], **more}


def test_a_node_has_its_title_else_that_of_its_class() -> None:
    page = load({"nodes": [number(1, 5), number(2, 6, title="mine")], "links": []}, INFOS)

    assert [node.title for node in page.root.nodes.values()] == ["Int", "mine"]


def test_values_of_nodes_that_do_not_run_are_not_judged() -> None:
    page = load({"nodes": [{**number(1, 5), "widgets_values": [{}], "mode": 4}], "links": []}, INFOS)

    assert page.root.nodes["1"].widgets[0].value == 0


def test_a_subgraph_is_loaded_once_however_often_it_is_used() -> None:
    inner = {"id": "s", "nodes": [number(5, 7)], "links": []}
    nodes = [{"id": 1, "type": "s"}, {"id": 2, "type": "s"}]
    page = load({"nodes": nodes, "links": [], "definitions": {"subgraphs": [inner]}}, INFOS)

    assert [node.id for node in page.all_nodes()] == ["1", "2", "5"]


def test_a_subgraph_inside_itself_is_refused() -> None:
    inner = {"id": "s", "nodes": [{"id": 5, "type": "s"}], "links": []}

    with pytest.raises(GraphUnconvertible, match="contains itself"):
        load({"nodes": [], "links": [], "definitions": {"subgraphs": [inner]}}, INFOS)


def test_a_class_that_nobody_knows_keeps_the_inputs_of_the_file() -> None:
    saved = {"id": 1, "type": "Mystery", "inputs": [{"name": "a", "type": "INT", "link": 3}]}
    node = load({"nodes": [saved], "links": []}, INFOS).root.nodes["1"]

    assert not node.known
    assert [(slot.name, slot.link) for slot in node.inputs] == [("a", 3)]
