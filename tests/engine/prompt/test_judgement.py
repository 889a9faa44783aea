"""What refuses a prompt, and what is only said of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.judgement import NOTHING_WRONG, judgement
from engine.prompt.skew import differences
from tests.support.catalogs import LOCAL, endpoint, info, node, sampled, sides
from wire.catalog import Catalog


def test_a_prompt_that_the_endpoint_can_run_is_without_a_word() -> None:
    found = judgement(sampled(), sides(sampled(), endpoint()), ("3",))

    assert found == NOTHING_WRONG
    assert not found.says_anything


def test_a_model_that_only_the_endpoint_has_runs_and_one_that_only_this_machine_has_is_refused() -> None:
    prompt = sampled("here.safetensors")
    found = judgement(prompt, sides(prompt, endpoint()), ("3",))

    assert [error["type"] for error in found.errors["1"]] == ["value_not_in_list"]
    assert [tuple(model) for model in found.models] == [
        ("1", "CheckpointLoaderSimple", "ckpt_name", "checkpoints", "here.safetensors")
    ]


def test_an_old_catalog_refuses_nothing_that_this_machine_would_run() -> None:
    prompt = sampled("here.safetensors", **{"2": node("KSampler", model=["1", 0], steps=0)})
    old = sides(prompt, endpoint(), is_current=False)
    found = judgement(prompt, old, ("3",))

    assert {node_id: [one["type"] for one in some] for node_id, some in found.errors.items()} == {
        "2": ["value_smaller_than_min"]
    }
    assert list(found.doubts) == ["1"]
    assert [model.name for model in found.models] == ["here.safetensors"]


def test_a_choice_that_this_machine_does_not_know_is_not_refused_by_an_old_catalog_that_has_it() -> None:
    nodes = {"Pick": info({"mode": [["new", "both"]]}, [], output_node=True)}
    local = {"Pick": info({"mode": [["both"]]}, [], output_node=True)}
    prompt = {"1": node("Pick", mode="new")}

    assert judgement(prompt, sides(prompt, Catalog(nodes=nodes), local, is_current=False), ("1",)) == NOTHING_WRONG


@pytest.mark.parametrize(
    ("class_type", "says"),
    [
        ("OnlyHere", "add its pack to docker/custom_nodes.yaml and deploy, or run it on this machine"),
        ("OfNobody", "Neither"),
    ],
)
def test_a_class_that_the_endpoint_lacks_refuses_the_prompt_unless_the_catalog_is_old(
    class_type: str, says: str
) -> None:
    prompt = sampled(**{"4": node(class_type)})
    found = judgement(prompt, sides(prompt, endpoint()), ("3",))
    old = judgement(prompt, sides(prompt, endpoint(), is_current=False), ("3",))

    assert (found.refused_class, old.refused_class) == ("4", None)
    assert says in found.classes[0].text
    assert found.classes == old.classes


def test_without_a_catalog_classes_and_models_are_left_to_the_endpoint() -> None:
    prompt = sampled("anything.safetensors", **{"4": node("OfNobody")})

    assert judgement(prompt, sides(prompt, Catalog()), ("3",)) == NOTHING_WRONG


def test_what_no_output_needs_is_not_told_of() -> None:
    unused = {"7": node("CheckpointLoaderSimple", ckpt_name="x.pt"), "8": node("OnlyThere", mode="odd")}
    prompt = sampled(**unused)
    found = judgement(prompt, sides(prompt, endpoint()), ("3",))

    assert (found.models, dict(found.doubts)) == ((), {})


def test_what_a_custom_nodes_own_check_may_allow_is_only_said() -> None:
    custom: dict[str, Any] = node("OnlyThere", model=["1", 0], mode="own", lora="None", size=9)
    prompt = sampled(**{"4": custom, "2": node("KSampler", model=["4", 0], steps=20)})
    found = judgement(prompt, sides(prompt, endpoint()), ("3",))

    assert found.errors == {}
    assert [error["type"] for error in found.doubts["4"]] == ["value_not_in_list", "value_bigger_than_max"]
    assert LOCAL.get("OnlyThere") is None


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["INT", "COMBO", "*", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["required", "min", "max", "options", "x_upload", "steps", "model"]), inner)
    ),
    max_leaves=10,
)
HOSTILE = st.fixed_dictionaries({}, optional={"input": ODD, "output": ODD, "python_module": ODD, "output_node": ODD})


@given(HOSTILE, HOSTILE)
def test_whatever_a_worker_calls_a_definition_there_is_a_judgement(sampler: Any, saver: Any) -> None:
    known = endpoint(nodes={"KSampler": sampler, "SaveLatent": saver, "CheckpointLoaderSimple": {}})
    judged = sides(sampled(), known)
    found = judgement(sampled(), judged, ("3",))

    assert found.refused_class is None
    assert differences(sampled(), judged, ("3",)) is not None
