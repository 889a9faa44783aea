"""Numbers that JSON does not have."""

import math

import pytest

from wire.progress import NodeProgress


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, None])
def test_a_number_that_json_does_not_have_counts_as_nothing(number: float | None) -> None:
    progress = NodeProgress.model_validate({"value": number, "max": 2, "state": "running", "node_id": "1"})

    assert (progress.value, progress.max) == (0.0, 2.0)


def test_what_a_newer_comfyui_adds_is_kept() -> None:
    progress = NodeProgress.model_validate({"value": 1, "max": 2, "state": "running", "node_id": "1", "speed": 7})

    assert progress.model_dump()["speed"] == 7
