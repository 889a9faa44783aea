"""A graph of the page: its links, its sides, and ids that occur once."""

from typing import Any

from client.workflow.node import PageNode, Slot
from client.workflow.scope import Link, Scope, Side, read_links, read_sides, with_unique_ids


def test_links_are_lists_in_the_root_and_objects_in_subgraphs() -> None:
    inside = {"id": 4, "origin_id": -10, "origin_slot": 0, "target_id": 2, "target_slot": 1, "type": "INT"}

    assert read_links([[3, 1, 0, 2, 1, "INT"], None, inside]) == {3: Link("1", 0, "2", 1), 4: Link("-10", 0, "2", 1)}


def test_sides_are_the_inputs_and_outputs_of_a_subgraph() -> None:
    assert read_sides([{"name": "a", "type": "INT", "linkIds": [1, 2]}]) == [Side("a", "INT", [1, 2])]


def test_a_new_link_replaces_what_was_linked() -> None:
    node = PageNode("2", "X", inputs=[Slot("a", "INT", 1)])
    scope = Scope("s", {"2": node}, {1: Link("3", 0, "2", 0)}, [Side("new", "INT", [])])
    scope.add_link(scope.inputs[0], node, node.inputs[0])

    assert (node.inputs[0].link, scope.inputs[0].links) == (2, [2])
    assert scope.target(2) == (node, node.inputs[0])


def graph(**more: Any) -> dict[str, Any]:
    inner = {"id": "s", "nodes": [{"id": 1, "type": "A"}, {"id": 2, "type": "B"}],
             "links": [{"id": 5, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0}]}  # fmt: skip
    return {"nodes": [{"id": 1, "type": "s", **more}], "last_node_id": 7, "definitions": {"subgraphs": [inner]}}


def test_an_id_that_the_root_has_is_replaced_inside_a_subgraph_and_in_its_links() -> None:
    _, (subgraph,) = with_unique_ids(graph())

    assert [node["id"] for node in subgraph["nodes"]] == [8, 2]
    assert (subgraph["links"][0]["origin_id"], subgraph["links"][0]["target_id"]) == (8, 2)


def test_the_list_of_shown_widgets_names_the_new_ids() -> None:
    (node,), _ = with_unique_ids(graph(properties={"proxyWidgets": [["1", "seed"], ["2", "steps"]]}))

    assert node["properties"]["proxyWidgets"] == [["8", "seed"], ["2", "steps"]]


def test_a_graph_without_subgraphs_may_say_null() -> None:
    assert with_unique_ids({"nodes": [], "definitions": None}) == ([], [])
