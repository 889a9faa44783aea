"""POST /prompt, from bytes to a Submission or a refusal."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.input_file import Presence
from engine.prompt.admission import admission, admit
from engine.prompt.sides import Sides
from engine.prompt.submission import CLASSES_MAX, VALUES_MAX, SubmissionRefused, classes, parse, submission
from tests.support.strict_json import strictly_parsed
from wire import plain_json
from wire.ids import PromptId

NEW = PromptId("22222222-2222-4222-8222-222222222222")
INFOS: dict[str, dict[str, Any] | None] = {
    "EmptyImage": {"output_node": False},
    "SaveImage": {"output_node": True},
    "Unknown": None,
}


def many_classes(count: int) -> bytes:
    return json.dumps({"prompt": {str(at): {"class_type": f"C{at}", "inputs": {}} for at in range(count)}}).encode()


PROMPT = {
    "1": {"class_type": "EmptyImage", "inputs": {}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}},
}


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b"\xff", "invalid_json"),
        (b"{}", "no_prompt"),
        (b'{"prompt": 5}', "invalid_prompt"),
        (b'{"prompt": {}}', "prompt_no_outputs"),
        (b'{"prompt": {"1": {"inputs": {}}}}', "missing_node_type"),
        (b'{"prompt": {"1": null}}', "missing_node_type"),
        (b'{"prompt": {"1": [' + b"1, " * VALUES_MAX + b"1]}}", "invalid_prompt"),
        (many_classes(CLASSES_MAX + 1), "invalid_prompt"),
        (b'{"prompt": {"1": {"class_type": "A", "inputs": []}}}', "missing_node_type"),
    ],
)
def test_rubbish_is_refused_in_comfyuis_shape(raw: bytes, refusal: str) -> None:
    with pytest.raises(SubmissionRefused) as caught:
        classes(parse(raw))

    assert caught.value.body["error"]["type"] == refusal
    assert caught.value.body["node_errors"] == {}


@pytest.mark.parametrize(
    ("node", "message", "about"),
    [
        (
            {"inputs": {}},
            "Node 'ID #1' has no class_type. The workflow may be corrupted or a custom node is missing.",
            (None, None),
        ),
        (
            {"inputs": {}, "_meta": {"title": "Mine"}},
            "Node 'Mine' has no class_type. The workflow may be corrupted or a custom node is missing.",
            (None, "Mine"),
        ),
        (
            {"class_type": "..", "inputs": {}},
            "Node '..' not found. The custom node may not be installed.",
            ("..", ".."),
        ),
    ],
)
def test_a_node_without_a_class_is_named(node: dict[str, Any], message: str, about: tuple[str | None, ...]) -> None:
    with pytest.raises(SubmissionRefused) as caught:
        classes({"prompt": {"1": node}})
    told = caught.value.body["error"]

    assert (told["message"], told["details"]) == (message, "Node ID '#1'")
    assert told["extra_info"] == {"node_id": "1", "class_type": about[0], "node_title": about[1]}


def test_secrets_never_get_past_the_door() -> None:
    extra = {"api_key_comfy_org": "k", "auth_token_comfy_org": "t", "extra_pnginfo": {"workflow": {}}}
    taken = submission({"prompt": PROMPT, "extra_data": extra, "client_id": "sid"}, INFOS, NEW, 7)

    assert taken.extra_data == {"extra_pnginfo": {"workflow": {}}, "create_time": 7, "client_id": "sid"}
    assert taken.outputs_to_execute == ("2", "3")
    assert taken.prompt_id == NEW


def test_partial_execution_runs_the_named_outputs() -> None:
    taken = submission({"prompt": PROMPT, "partial_execution_targets": ["3"]}, INFOS, NEW, 7)

    assert taken.targets == ("3",)
    assert taken.outputs_to_execute == ("3",)


def test_a_prompt_that_saves_nothing_is_refused_before_it_costs_anything() -> None:
    with pytest.raises(SubmissionRefused, match="prompt_no_outputs"):
        submission({"prompt": {"1": PROMPT["1"]}}, INFOS, NEW, 7)


def test_a_class_that_only_the_endpoint_may_know_is_let_through() -> None:
    taken = submission({"prompt": {"1": {"class_type": "Unknown", "inputs": {}}}}, INFOS, NEW, 7)

    assert taken.outputs_to_execute == ()


@pytest.mark.parametrize("bad", ["x", "22222222-2222-4222-8222-22222222222", NEW.upper().replace("2", "A"), 5])
def test_a_prompt_id_must_be_a_canonical_uuid(bad: object) -> None:
    with pytest.raises(SubmissionRefused, match="invalid_prompt_id"):
        submission({"prompt": PROMPT, "prompt_id": bad}, INFOS, NEW, 7)


def test_u64_seeds_stay_whole() -> None:
    body = parse(json.dumps({"prompt": {"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}}).encode())

    assert body["prompt"]["1"]["inputs"]["seed"] == 18446744073709551615


@pytest.mark.parametrize("bad", ["x", [], "nan", float("inf"), 10**400])
def test_a_number_that_the_queue_cannot_show_is_refused(bad: object) -> None:
    with pytest.raises(SubmissionRefused, match="invalid_prompt"):
        submission({"prompt": PROMPT, "number": bad}, INFOS, NEW, 7)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_no_browser_can_read_becomes_null_like_from_a_browser(number: str) -> None:
    node = f'{{"class_type": "A", "inputs": {{"cfg": {number}}}}}'
    body = parse(f'{{"prompt": {{"1": {node}}}, "extra_data": {{"x": [{number}]}}}}'.encode())

    assert body["prompt"]["1"]["inputs"] == {"cfg": None}
    assert body["extra_data"] == {"x": [None]}


@pytest.mark.parametrize("number", ["NaN", "1e999", "null"])
def test_a_queue_number_that_is_none_leaves_the_choice_to_the_queue(number: str) -> None:
    body = parse(f'{{"prompt": {json.dumps(PROMPT)}, "number": {number}}}'.encode())

    assert submission(body, INFOS, NEW, 7).number is None


def test_half_a_surrogate_pair_in_an_id_does_not_reach_the_database() -> None:
    body = parse(f'{{"prompt": {json.dumps(PROMPT)}, "client_id": "a\\ud800"}}'.encode())

    assert submission(body, INFOS, NEW, 7).client_id == "a?"


DEFINITIONS: dict[str, dict[str, Any] | None] = {
    "Load": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}, "output": ["IMAGE"]},
    "Make": {
        "input": {"required": {"size": ["INT", {"min": 1, "max": 9}], "cfg": ["FLOAT", {"max": 3.5}]}},
        "output": ["IMAGE"],
        "python_module": "nodes",
    },
    "Save": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True},
    "Unknown": None,
}
NUMBERS = st.floats() | st.integers() | st.sampled_from(["nan", "inf", "-1e999", "1e308"])
LEAF = st.none() | st.booleans() | NUMBERS | st.text(max_size=4) | st.sampled_from(["a.png", "../x", "\ud800"])
ANY = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
LINK = st.tuples(st.sampled_from("123"), st.integers(-1, 2)).map(list)
NODE = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(sorted(DEFINITIONS)),
        "inputs": st.dictionaries(st.sampled_from(["image", "images", "size", "cfg", "x"]), LINK | ANY, max_size=4),
    }
)
BODY = st.fixed_dictionaries(
    {"prompt": st.dictionaries(st.sampled_from("123"), NODE | ANY, max_size=3) | ANY},
    optional={
        "extra_data": st.dictionaries(st.sampled_from(["extra_pnginfo", "x"]), ANY) | ANY,
        "number": ANY,
        "client_id": ANY,
        "prompt_id": st.just(NEW) | ANY,
        "front": ANY,
        "partial_execution_targets": st.lists(st.sampled_from("123")) | ANY,
    },
)


def answer(raw: bytes, presence: Presence) -> tuple[str, dict[str, Any]]:
    """What the browser is sent for this body, and what is stored, if anything."""
    try:
        body = parse(raw)
        infos = {kind: DEFINITIONS.get(kind) for kind in classes(body)}
        questions = admission(body, Sides.here_only(infos), NEW, 7)
        admitted = admit(questions, dict.fromkeys(questions.files, presence))
    except SubmissionRefused as refused:
        return plain_json.dumps(refused.body), {}
    kept = admitted.submission
    stored = {"prompt": kept.prompt, "extra_data": kept.extra_data, "number": kept.number}
    return plain_json.dumps(dict(admitted.node_errors)), stored


def test_a_text_that_means_infinity_is_refused_in_json_that_parses() -> None:
    made = {"class_type": "Make", "inputs": {"size": 1, "cfg": "inf"}}
    prompt = {"1": made, "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}}}
    text, _ = answer(json.dumps({"prompt": prompt}).encode(), Presence.THERE)
    (error,) = strictly_parsed(text)["node_errors"]["1"]["errors"]

    assert error["type"] == "value_bigger_than_max"
    assert error["extra_info"]["received_value"] is None


@given(BODY, st.sampled_from(Presence))
def test_every_answer_and_all_that_is_stored_parse_in_a_browser(body: dict[str, Any], presence: Presence) -> None:
    text, stored = answer(json.dumps(body).encode(), presence)

    assert isinstance(strictly_parsed(text), dict)
    strictly_parsed(json.dumps(stored))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    assert isinstance(strictly_parsed(answer(raw, Presence.THERE)[0]), dict)


def test_a_workflow_of_the_page_is_refused_with_what_it_is() -> None:
    with pytest.raises(SubmissionRefused) as refusal:
        classes({"prompt": {"nodes": [], "links": []}})

    assert "a workflow in the format of ComfyUI's page" in refusal.value.message
