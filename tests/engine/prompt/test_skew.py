"""Two versions of a class: what a prompt meets of the difference, and how to mend it."""

from typing import Any

import pytest

from engine.prompt.skew import differences
from tests.support.catalogs import endpoint, info, node, sides

PACK = "custom_nodes.pack"


def told(local: dict[str, Any], there: dict[str, Any], **inputs: Any) -> list[str]:
    """The sentences about node 1, whose first output is linked."""
    prompt = {"1": node("Both", **inputs), "2": node("Save", value=["1", 0])}
    save = info({"value": ["*"]}, [], output_node=True)
    here = {"Both": local, "Save": save}
    judged = sides(prompt, endpoint(nodes={"Both": there, "Save": save}), here)
    return [remark.text for remark in differences(prompt, judged, ("2",)) if remark.node_id == "1"]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        (info({"size": ["INT"]}, ["IMAGE"]), "it does not have the input mode"),
        (info({"size": ["INT"], "mode": ["STRING"], "new": ["INT"]}, ["IMAGE"]), "it needs the input new"),
        (info({"size": ["INT"], "mode": ["STRING"]}, ["MASK"]), "its output 1 is MASK there and IMAGE here"),
        (info({"size": ["INT"], "mode": ["STRING"]}, []), "it does not have output 1, IMAGE"),
    ],
)
def test_a_difference_that_the_prompt_meets_is_told_with_both_versions(there: dict[str, Any], says: str) -> None:
    (text,) = told(info({"size": ["INT"], "mode": ["STRING"]}, ["IMAGE"]), there, size=1, mode="x")

    assert says in text
    assert text.endswith("It runs ComfyUI 0.33.0, this machine 0.33.0: update the older one.")


@pytest.mark.parametrize(
    "there",
    [
        info({"size": ["INT", {"max": 5}], "other": ["INT"]}, ["IMAGE", "MASK"]),
        info({"size": ["COMFY_AUTOGROW_V3", {}]}, ["IMAGE"]),
        info({"size": ["INT"]}, [["a", "b"]]),
    ],
)
def test_a_difference_that_the_prompt_does_not_meet_is_not_told(there: dict[str, Any]) -> None:
    assert told(info({"size": ["INT"], "mode": ["STRING"]}, ["IMAGE"]), there, size=1, other=2) == []


def test_of_a_pack_the_version_of_the_pack_is_told() -> None:
    (text,) = told(info({"old": ["INT"]}, ["IMAGE"], PACK), info({}, ["IMAGE"], PACK), old=1)

    assert text.endswith("Give both sides the same version of pack (the endpoint has 1.2).")
