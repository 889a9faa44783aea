import json
from typing import Any

import pytest

from client.workflow.workflow import WorkflowUnreadable, class_types, read_workflow

PROMPT = {"1": {"class_type": "EmptyImage", "inputs": {"width": 8}}}
GRAPH: dict[str, Any] = {"nodes": [{"id": 1, "type": "EmptyImage"}], "links": []}


@pytest.mark.parametrize(
    "body",
    [
        PROMPT,
        {"prompt": PROMPT, "client_id": "x"},
        {"workflow": PROMPT, "reference_images": {}},
        {"input": {"workflow": PROMPT}},
    ],
    ids=["api format", "POST /prompt", "worker input", "RunPod body"],
)
def test_a_prompt_is_found_in_every_form_that_people_keep(body: object) -> None:
    assert read_workflow(json.dumps(body)).prompt == PROMPT


def test_the_page_format_is_known_by_its_nodes_and_links() -> None:
    workflow = read_workflow(json.dumps(GRAPH))

    assert (workflow.prompt, workflow.graph) == (None, GRAPH)


def test_a_posted_prompt_brings_its_graph_along() -> None:
    body = {"prompt": PROMPT, "extra_data": {"extra_pnginfo": {"workflow": GRAPH}}}

    assert read_workflow(json.dumps(body)).graph == GRAPH


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# a readme", "is not JSON"),
        ("[]", "JSON object"),
        ("{}", "empty"),
        ('{"name": "x"}', "'name' is not a node"),
        ('{"1": {"class_type": "a\\nb", "inputs": {}}}', "'1' is not a node with a class_type"),
        ("[" * 300 + "]" * 300, "nested more than"),
        ('{"1": {"class_type": "X", "inputs": []}}', "inputs of node '1'"),
    ],
)
def test_anything_else_is_refused_with_what_it_is(text: str, says: str) -> None:
    with pytest.raises(WorkflowUnreadable, match=says):
        read_workflow(text)


def test_the_node_types_of_subgraphs_count() -> None:
    inner = {"id": "s", "nodes": [{"id": 2, "type": "ImageInvert"}], "links": []}

    assert class_types({**GRAPH, "definitions": {"subgraphs": [inner]}}) == {"EmptyImage", "ImageInvert"}
