"""What differs between here and the endpoint, as far as a graph can meet it."""

from typing import Any

import pytest

from engine.catalog.comparison import differing, missing_models, only_here, only_there
from wire.catalog import Catalog


def node(output: Any = ("IMAGE",), **inputs: Any) -> dict[str, Any]:
    return {"input": {"required": inputs}, "output": list(output)}


THERE = Catalog(
    nodes={"Both": node(a=["INT", {}]), "There": node()},
    models={"vae": {"a.pt": 1}, "loras": {}},
)


def test_classes_and_models_that_one_side_lacks_are_named() -> None:
    local = {"Both": node(), "Here": node()}

    assert only_there(local, THERE) == ["There"]
    assert only_here(local, THERE) == ["Here"]
    assert missing_models({"vae": ["a.pt", "b.pt"], "loras": ["c.pt"], "checkpoints": []}, THERE) == {
        "vae": ["b.pt"],
        "loras": ["c.pt"],
    }


def test_of_an_endpoint_that_told_nothing_nothing_is_missing() -> None:
    assert only_here({"Here": node()}, Catalog()) == []
    assert missing_models({"vae": ["a.pt"]}, Catalog()) == {}


@pytest.mark.parametrize(
    ("local", "differs"),
    [
        (node(a=["INT", {"default": 5, "tooltip": "other"}]), False),
        (node(a=["FLOAT", {}]), True),
        (node(b=["INT", {}]), True),
        (node(a=["INT", {}], b=["INT", {}]), True),
        (node(output=("MASK",), a=["INT", {}]), True),
        (node(output=("IMAGE", "MASK"), a=["INT", {}]), True),
    ],
)
def test_only_inputs_and_outputs_count(local: dict[str, Any], differs: bool) -> None:
    assert differing({"Both": local, "Other": node()}, THERE) == (["Both"] if differs else [])


def test_both_spellings_of_a_list_of_choices_are_the_same() -> None:
    old, new = node(a=[["x", "y"], {}]), node(a=["COMBO", {"options": ["x"]}])

    assert differing({"A": old}, Catalog(nodes={"A": new})) == []


@pytest.mark.parametrize("odd", [{}, {"input": 5}, {"input": {"required": [1]}}, {"output": "IMAGE"}, None, []])
def test_an_odd_definition_is_no_error(odd: Any) -> None:
    assert differing({"Both": odd}, THERE) == ["Both"]
