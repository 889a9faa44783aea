"""Which texts of a prompt name files, and which of them lead out. Whole tables: tests/security/test_workflows.py."""

from typing import Any

import pytest

from tests.support.names import REFUSED
from wire.file_inputs import named_files, refusals, split_annotation, suspects, texts

INFOS: dict[str, dict[str, Any] | None] = {
    "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}},
    "Chooser": {"input": {"optional": {"name": [["a.png", "euler"], {}]}}},
}


def prompt(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": kind, "inputs": inputs}}


@pytest.mark.parametrize("name", [*filter(None, REFUSED), "/etc/hostname", "x/../../a.png [output]", "../a.png [temp]"])
def test_a_name_that_leads_out_is_a_node_error(name: str) -> None:
    errors = refusals(prompt("LoadImage", image=name), INFOS)

    assert errors["1"]["class_type"] == "LoadImage"
    assert errors["1"]["errors"][0]["extra_info"] == {"input_name": "image", "received_value": name}


def test_an_annotation_needs_its_space() -> None:
    assert split_annotation("a.png [temp]") == ("a.png", "temp")
    assert split_annotation("a.png") == ("a.png", "input")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a.png", ["a.png"]),
        ("", []),
        (5, []),
        (["2", 0], []),
        ({"__value__": "a.png"}, ["a.png"]),
        ({"__value__": ["a.png", 5, "", ["b.png"]]}, ["a.png", "b.png"]),
        ({"image": "t/a.png [temp]", "note": "a.png", "recording": "/b.mp4"}, ["t/a.png [temp]", "/b.mp4"]),
    ],
    ids=str,
)
def test_texts_are_found_in_a_value_as_its_node_gets_it(value: Any, found: list[str]) -> None:
    assert list(texts(value)) == found


def test_a_choice_is_a_file_when_it_looks_like_one() -> None:
    chosen = [list(named_files(prompt("Chooser", name=name), INFOS)) for name in ("a.png", "euler", "../a.png")]

    assert chosen == [[("1", "name", "a.png", False)], [], []]


def test_only_nodes_with_an_odd_text_are_suspects() -> None:
    odd, even = (prompt("Any", text=text)["1"] for text in ("/imagine", "a cat"))

    assert suspects({"1": odd, "2": even, "3": None}) == {"1": odd}
