"""What the normaliser levels, and what it must never hide."""

import io
from collections.abc import Iterable
from typing import Any

import pytest
from PIL import Image

from tests.contract.remote.normal import Normal, Told
from wire.comfy import Message, PreviewFrame, ServerMessage, TextFrame

IDS = {"p-1": "prompt 0", "s-1": "the page"}


def state(node: str, value: float, most: float = 1.0, name: str = "running", **others: Any) -> Message:
    entry = {"value": value, "max": most, "state": name, "node_id": node, "prompt_id": "p-1"}
    return Message("progress_state", {"prompt_id": "p-1", "nodes": {**others, node: entry}})


def progress(node: str, value: float, most: float = 4) -> Message:
    return Message("progress", {"value": value, "max": most, "prompt_id": "p-1", "node": node})


def picture(node: str | None = "2", size: tuple[int, int] = (8, 4)) -> PreviewFrame:
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, "PNG")
    return PreviewFrame(buffer.getvalue(), "image/png", node, "p-1" if node else None, node, None, node)


def step(node: str, value: float) -> list[ServerMessage]:
    return [state(node, value, 4), picture(node), progress(node, value)]


def story(*messages: ServerMessage) -> list[Told]:
    return Normal(IDS).story(messages)


def kinds(told: Iterable[Told]) -> list[str]:
    return [one["type"] for one in told]


START, END = [state("2", 0.0), Message("executing", {"node": "2"})], [state("2", 4, 4, "finished")]


def test_ids_times_and_numbers_get_common_names() -> None:
    body = {"prompt_id": "p-1", "sid": "s-1", "timestamp": 1795438894802, "number": 17, "priority": 3, "other": "p-2"}

    assert Normal(IDS).value(body) == {
        **{"prompt_id": "prompt 0", "sid": "the page", "timestamp": "a time"},
        **{"number": "a number", "priority": "a number", "other": "p-2"},
    }


def test_a_time_that_is_missing_stays_missing() -> None:
    assert Normal(IDS).value({"timestamp": 0}) == {"timestamp": 0}


def test_file_names_keep_their_distance_and_their_prefix() -> None:
    normal = Normal(IDS)
    names = ["a_00007_.png", "a_00009_.png", "b_00002_.webp", "ComfyUI_temp_abcde_00003_.png", "a.png"]

    assert normal.value(names) == ["a_+0_.png", "a_+2_.png", "b_+0_.webp", "ComfyUI_temp_?????_+0_.png", "a.png"]
    assert normal.value("a_00007_.png") == "a_+0_.png"


def test_the_folder_of_a_side_is_the_same_on_both() -> None:
    assert Normal(IDS).value(["sideA", "sideB/x", "besideA"]) == ["side", "side/x", "besideA"]


def test_a_queue_item_s_outputs_are_a_set_other_lists_are_not() -> None:
    item = [4, "p-1", {"1": {}}, {}, ["9", "8"]]

    assert Normal(IDS).value(item) == ["a number", "prompt 0", {"1": {}}, {}, ["8", "9"]]
    assert Normal(IDS).value({"nodes": ["9", "8"], "executed": ["9", "8"]}) == {
        "nodes": ["9", "8"],
        "executed": ["8", "9"],
    }


def test_pictures_are_known_by_what_they_say_of_themselves_and_their_size() -> None:
    (told,) = story(picture(None, (32, 16)))

    assert told["data"]["size"] == (32, 16)
    assert told["data"]["node_id"] is None
    assert story(picture("2", (8, 4))) != story(picture("2", (4, 8)))


def test_texts_are_kept_word_by_word() -> None:
    assert story(TextFrame("2", "half way")) == [{"type": "text", "data": {"node": "2", "text": "half way"}}]


def test_left_out_steps_make_no_difference() -> None:
    every = [message for value in (1, 2, 3, 4) for message in step("2", value)]
    some = [*step("2", 2), state("2", 4, 4), progress("2", 4)]

    assert story(*START, *every, *END) == story(*START, *some, *END)
    assert kinds(story(*START, *every, *END)) == ["progress_state", "executing", "steps", "progress_state"]


@pytest.mark.parametrize(
    "wrong",
    [
        [*START, *step("2", 4), *step("2", 1), *END],
        [*START, *step("2", 1), *END],
        [*START, state("2", 4, 4), picture(), *END],
        [*START, state("2", 4, 4), progress("2", 4), *END],
        [*START, progress("2", 4), picture(), state("2", 4, 4), *END],
        [*START, *step("2", 4)],
        [*START[:1], *step("2", 4), *END],
        [*START[1:], *step("2", 4), *END],
        [*step("2", 4), *START, *END],
        [*START, *END, *step("2", 4)],
        [*START, *step("3", 4), *END],
    ],
    ids=[
        *("backwards", "not to the last step", "no progress", "no picture", "progress ahead of its state"),
        *("no end", "not executing", "no start", "steps before the start", "steps after the end", "another node"),
    ],
)
def test_a_wrong_story_stays_another_one(wrong: list[ServerMessage]) -> None:
    assert story(*wrong) != story(*START, *step("2", 1), *step("2", 4), *END)
