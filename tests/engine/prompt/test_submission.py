"""POST /prompt, from bytes to a Submission or a refusal."""

import json
from typing import Any

import pytest

from engine.prompt.submission import SubmissionRefused, classes, parse, submission
from wire.ids import PromptId

NEW = PromptId("22222222-2222-4222-8222-222222222222")
INFOS: dict[str, dict[str, Any] | None] = {
    "EmptyImage": {"output_node": False},
    "SaveImage": {"output_node": True},
    "Unknown": None,
}
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
        (b'{"prompt": {"1": {"inputs": {}}}}', "invalid_prompt"),
        (b'{"prompt": {"1": null}}', "invalid_prompt"),
        (b'{"prompt": {"1": {"class_type": "A", "inputs": []}}}', "invalid_prompt"),
    ],
)
def test_rubbish_is_refused_in_comfyuis_shape(raw: bytes, refusal: str) -> None:
    with pytest.raises(SubmissionRefused) as caught:
        classes(parse(raw))

    assert caught.value.body["error"]["type"] == refusal
    assert caught.value.body["node_errors"] == {}


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
