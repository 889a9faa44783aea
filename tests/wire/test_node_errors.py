"""Errors of nodes in ComfyUI's shape."""

from typing import Any

from wire.node_errors import own_check, refuse


def test_the_errors_of_a_node_are_gathered() -> None:
    errors: dict[str, Any] = {}
    for reason in ("is missing", "leads out"):
        problem = own_check("image", reason, "a.png")
        refuse(errors, {"7": {"class_type": "LoadImage", "inputs": {}}}, "7", problem)

    assert {key: value for key, value in errors["7"].items() if key != "errors"} == {
        "dependent_outputs": [],
        "class_type": "LoadImage",
    }
    assert [error["details"] for error in errors["7"]["errors"]] == ["image - is missing", "image - leads out"]
    assert errors["7"]["errors"][0]["extra_info"] == {"input_name": "image", "received_value": "a.png"}
