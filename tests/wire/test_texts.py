"""Long texts of a prompt, taken out and put back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import WireError
from wire.files import Inline
from wire.job import JobRequest, decode_request, encode_request
from wire.limits import KEPT_MIN, PROTOCOL, PROTOCOL_TEXTS
from wire.texts import EmbeddedText, Place, decode_text, encode_text, long_texts, with_texts

PICTURE = "data:image/png;base64," + "A" * KEPT_MIN
FIELDS: dict[str, Any] = {
    "workflow": {"5": {"class_type": "Load", "inputs": {"image": PICTURE, "name": "x"}}},
    "extra_data": {"extra_pnginfo": {"workflow": {"nodes": [{"id": 5, "widgets_values": ["x", PICTURE]}]}}},
}
PLACES: tuple[Place, ...] = (
    ("workflow", "5", "inputs", "image"),
    ("extra_data", "extra_pnginfo", "workflow", "nodes", 0, "widgets_values", 1),
)


def embedded(*places: Place) -> EmbeddedText:
    return EmbeddedText(sha256="0" * 64, size=5, source=Inline.of(b"hello"), places=places)


def test_equal_texts_are_found_once_with_all_their_places() -> None:
    assert long_texts(FIELDS) == {PICTURE: PLACES}


def test_what_was_taken_out_is_put_back_and_the_given_document_stays() -> None:
    emptied = with_texts(FIELDS, [(PLACES, "")])

    assert PICTURE not in str(emptied)
    assert with_texts(emptied, [(PLACES, PICTURE)]) == FIELDS
    assert FIELDS["workflow"]["5"]["inputs"]["image"] == PICTURE


LEAVES = st.text(max_size=3) | st.sampled_from(["a" * KEPT_MIN, "b" * KEPT_MIN]) | st.integers() | st.none()
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)


@given(st.dictionaries(st.text(max_size=2), TREES, max_size=3), st.dictionaries(st.text(max_size=2), TREES, max_size=3))
def test_any_document_survives(workflow: dict[str, Any], extra_data: dict[str, Any]) -> None:
    fields = {"workflow": workflow, "extra_data": extra_data}
    found = long_texts(fields)
    emptied = with_texts(fields, [(places, "") for places in found.values()])

    assert long_texts(emptied) == {}
    assert with_texts(emptied, [(places, text) for text, places in found.items()]) == fields


@pytest.mark.parametrize(
    "place",
    [
        ("files", 0, "filename"), ("workflow", "6", "inputs", "image"), ("workflow", "5", "inputs"),
        ("workflow", "5", "inputs", "image", 0), ("workflow", 5, "inputs", "image"), ("extra_data", "extra_pnginfo", 7),
        ("extra_data", "extra_pnginfo", "workflow", "nodes", 9, "id"), ("workflow", "5", "class_type", "x"),
    ],
    ids=str,
)  # fmt: skip
def test_a_place_that_the_prompt_does_not_have_is_refused(place: Place) -> None:
    with pytest.raises(WireError):
        with_texts(FIELDS, [((place,), "x")])


def test_only_a_worker_that_knows_texts_takes_a_request_with_them() -> None:
    body = encode_request(JobRequest(workflow={"1": {}}, texts=(embedded(PLACES[0]),)))

    assert (body["protocol"], encode_request(JobRequest(workflow={"1": {}}))["protocol"]) == (PROTOCOL_TEXTS, PROTOCOL)
    assert decode_request(body).texts == (embedded(PLACES[0]),)


@given(st.text(st.characters()))
def test_every_text_that_json_has_survives_as_bytes(text: str) -> None:
    assert decode_text(encode_text(text)) == text


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(WireError):
        decode_text(b"\xff")
