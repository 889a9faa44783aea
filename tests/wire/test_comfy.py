"""ComfyUI's frames: what is rendered is parsed back, and what is broken is refused."""

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.comfy import (
    OWN_TYPES,
    CustomMessage,
    Message,
    PreviewFrame,
    TextFrame,
    UnknownFrame,
    is_own,
    parse_binary,
    parse_text,
    render_preview,
    render_progress_text,
    render_text,
)
from wire.errors import WireError

words = st.text(max_size=30)
maybe = st.none() | words
previews = st.builds(
    PreviewFrame,
    image=st.binary(max_size=200),
    image_type=st.sampled_from(["image/jpeg", "image/png"]),
    node_id=maybe,
    prompt_id=maybe,
    display_node_id=maybe,
    parent_node_id=maybe,
    real_node_id=maybe,
)


@given(previews)
def test_a_preview_with_metadata_is_parsed_back(frame: PreviewFrame) -> None:
    assert parse_binary(render_preview(frame, with_metadata=True)) == frame


@given(previews, st.sampled_from([b"\xff\xd8", b"\x89PNG"]))
def test_an_old_preview_keeps_its_image_and_type(frame: PreviewFrame, begins: bytes) -> None:
    picture = replace(frame, image=begins + frame.image)
    parsed = parse_binary(render_preview(picture, with_metadata=False))

    assert parsed == PreviewFrame(image=picture.image, image_type=frame.image_type)


@given(words, words)
def test_progress_text_is_parsed_back(node: str, text: str) -> None:
    frame = TextFrame(node_id=node, text=text)

    assert parse_binary(render_progress_text(frame)) == frame


@given(st.sampled_from(sorted(OWN_TYPES)), st.dictionaries(words, st.none() | st.booleans() | st.integers() | words))
def test_a_message_is_parsed_back(kind: str, data: dict[str, object]) -> None:
    message = Message(kind, data)

    assert parse_text(render_text(message)) == message


@given(st.binary(max_size=64))
def test_any_bytes_are_a_frame_or_refused(frame: bytes) -> None:
    try:
        parsed = parse_binary(frame)
    except WireError:
        return

    assert isinstance(parsed, PreviewFrame | TextFrame | UnknownFrame)


@given(st.text(max_size=64))
def test_any_text_is_a_message_or_refused(text: str) -> None:
    try:
        parsed = parse_text(text)
    except WireError:
        return

    assert isinstance(parsed, Message | CustomMessage)


def test_a_recorded_frame_of_text_is_read() -> None:
    # ComfyUI 0.3.64, 2026-11-23
    frame = bytes.fromhex("00000003000000013268656c6c6f2074657874")

    assert parse_binary(frame) == TextFrame(node_id="2", text="hello text")


@pytest.mark.parametrize("text", ["", "null", "[]", "3", '{"data":{}}', "{", '{"type": "x", "data": ' + "[" * 100_000])
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        parse_text(text)


@pytest.mark.parametrize("frame", ["", "0000", "00000001", "00000003000000ff32", "0000000400000002ffff"])
def test_a_frame_that_was_cut_is_refused(frame: str) -> None:
    with pytest.raises(WireError):
        parse_binary(bytes.fromhex(frame))


@pytest.mark.parametrize("kind", [3, 4])
def test_what_precedes_a_text_or_a_picture_is_short(kind: int) -> None:
    head = b"x" * 70_000
    with pytest.raises(WireError):
        parse_binary(struct.pack(">II", kind, len(head)) + head + b"rest")


@pytest.mark.parametrize(
    "frame",
    [
        "00000009aa",  # a kind of a newer ComfyUI
        "0000000100000001" + "00000002" + "04" + "31302e33" + "00" * 11 + "ffd8ffe0",  # VideoHelperSuite
    ],
)
def test_a_frame_that_is_not_comfyuis_stays_as_it_came(frame: str) -> None:
    assert parse_binary(bytes.fromhex(frame)) == UnknownFrame(bytes.fromhex(frame))


@pytest.mark.parametrize(("frame", "is_picture"), [("00000009aa", False), ("0000000100000001aa", True), ("", False)])
def test_a_picture_of_a_custom_node_is_known_as_one(frame: str, is_picture: bool) -> None:
    assert UnknownFrame(bytes.fromhex(frame)).is_picture is is_picture


@pytest.mark.parametrize("data", [None, 3, "text", ["a", {"b": None}], {"prompt_id": "p"}])
def test_a_message_of_a_custom_node_holds_any_json(data: object) -> None:
    message = CustomMessage("kinds-images", data)

    assert parse_text(render_text(message)) == message


@pytest.mark.parametrize("kind", [*sorted(OWN_TYPES), "runpod.notice", "RunPod.anything", "assets.seed.started"])
def test_the_messages_of_comfyui_and_of_the_proxy_are_nobody_elses(kind: str) -> None:
    assert is_own(kind)
    assert isinstance(parse_text(render_text(CustomMessage(kind, {}))), Message)
