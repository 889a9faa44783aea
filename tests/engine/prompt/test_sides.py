"""What is known of both ComfyUIs, as questions."""

from dataclasses import replace

import pytest

from engine.prompt.sides import Sides
from tests.support.catalogs import LOCAL, endpoint, info, node, sampled, sides
from wire.catalog import Catalog


def test_while_nothing_is_known_of_the_endpoint_it_lacks_nothing() -> None:
    here = Sides.here_only(LOCAL)

    assert not here.lacks("OfNobody")
    assert here.lists.models == {}


def test_models_that_are_on_their_way_count_as_there() -> None:
    judged = replace(sides(sampled(), endpoint()), on_their_way={"checkpoints": {"x.pt"}, "loras": {"y.pt"}})

    assert judged.lists.models == {"checkpoints": {"there.safetensors", "x.pt"}}


@pytest.mark.parametrize(
    ("there", "here", "may"),
    [("0.33.0", "0.8.0", True), ("0.8.0", "0.33.0", False), ("0.33.0", "0.33.0", False), ("0.33.0", "unknown", False)],
)
def test_a_newer_comfyui_may_have_renamed_a_class_of_comfyuis_own(there: str, here: str, may: bool) -> None:
    judged = Sides({}, {"Old": info({}, [])}, Catalog(comfyui=there), local_version=here)

    assert judged.may_rename("Old") is may


def test_a_class_of_a_pack_is_not_renamed() -> None:
    judged = Sides({}, {"Own": info({}, [], "custom_nodes.x")}, Catalog(comfyui="0.33.0"), local_version="0.8.0")

    assert not judged.may_rename("Own")


def test_the_endpoint_does_not_decide_which_of_this_machines_classes_get_tokens() -> None:
    hostile = endpoint(nodes={"KSampler": info({}, ["LATENT"], api_node=True), "New": info({}, [], api_node=True)})
    judged = sides({"1": node("KSampler"), "2": node("New")}, hostile)

    assert "api_node" not in (judged.here_first["KSampler"] or {})
    assert (judged.here_first["New"] or {})["api_node"]
