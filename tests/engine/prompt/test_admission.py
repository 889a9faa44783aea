"""The conversation about a prompt: which files it asks about, and what may run after the answers."""

from typing import Any

import pytest

from engine.model.input_file import InputFile, Presence
from engine.prompt.admission import Admitted, Questions, admission, admit, withheld_because
from engine.prompt.sides import Sides
from engine.prompt.submission import SubmissionRefused
from wire.ids import PromptId

NEW = PromptId("22222222-2222-4222-8222-222222222222")
INFOS: dict[str, dict[str, Any] | None] = {
    "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}, "output": ["IMAGE"]},
    "Style": {"input": {"required": {"image": ["IMAGE"], "style": [["a.png", "plain"]]}}, "output": ["IMAGE"]},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"]}}, "output": [], "output_node": True},
}
FIRST = InputFile("1", "image", "a.png", "input", "a.png")
SECOND = InputFile("2", "image", "b.png [output]", "output", "b.png")


def load(name: str) -> dict[str, Any]:
    return {"class_type": "LoadImage", "inputs": {"image": name}}


def save(node_id: str) -> dict[str, Any]:
    return {"class_type": "SaveImage", "inputs": {"images": [node_id, 0]}}


def questions(prompt: dict[str, Any]) -> Questions:
    return admission({"prompt": prompt}, Sides.here_only(INFOS), NEW, 7)


def two_pictures() -> Questions:
    return questions({"1": load("a.png"), "2": load("b.png [output]"), "3": save("1"), "4": save("2")})


def answered(asked: Questions, *answers: Presence) -> Admitted:
    return admit(asked, dict(zip(asked.files, answers, strict=True)))


def refused(asked: Questions, *answers: Presence) -> dict[str, Any]:
    """The answer to a POST that is refused."""
    with pytest.raises(SubmissionRefused) as caught:
        answered(asked, *answers)
    return caught.value.body


def details(body: dict[str, Any], node_id: str) -> list[str]:
    return [error["details"] for error in body["node_errors"][node_id]["errors"]]


def test_every_file_of_the_prompt_is_asked_for() -> None:
    assert two_pictures().files == (FIRST, SECOND)


def test_a_prompt_without_files_has_no_questions() -> None:
    info = {**INFOS, "Empty": {"input": {}, "output": ["IMAGE"]}}
    asked = admission(
        {"prompt": {"1": {"class_type": "Empty", "inputs": {}}, "2": save("1")}}, Sides.here_only(info), NEW, 7
    )

    assert asked.files == ()
    assert admit(asked, {}).submission.outputs_to_execute == ("2",)


def test_what_was_found_is_kept_with_the_job() -> None:
    admitted = answered(two_pictures(), Presence.THERE, Presence.THERE)

    assert admitted.submission.inputs == (FIRST, SECOND)
    assert admitted.submission.outputs_to_execute == ("3", "4")
    assert admitted.node_errors == {}


def test_outputs_without_their_file_are_left_out_and_the_others_run() -> None:
    admitted = answered(two_pictures(), Presence.THERE, Presence.MISSING)

    assert admitted.submission.inputs == (FIRST,)
    assert admitted.submission.targets == ("3",)
    assert details({"node_errors": admitted.node_errors}, "2") == ["image - Invalid image file: b.png [output]"]


def test_a_prompt_whose_files_are_all_missing_is_refused() -> None:
    body = refused(two_pictures(), Presence.MISSING, Presence.MISSING)

    assert body["error"]["type"] == "prompt_outputs_failed_validation"
    assert sorted(body["node_errors"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("presence", "says"),
    [
        (Presence.LINKED_OUT, ["'b.png [output]'", "link to a file outside ComfyUI's output folder", "Copy the file"]),
        (Presence.UNVERIFIED, ["'b.png [output]'", "cannot tell", "COMFYUI_REMOTE=1", "doctor.py"]),
    ],
)
def test_a_file_that_may_not_be_sent_is_refused_on_its_node_with_what_to_do(
    presence: Presence, says: list[str]
) -> None:
    body = refused(two_pictures(), Presence.THERE, presence)
    (text,) = details(body, "2")
    error = body["node_errors"]["2"]["errors"][0]

    assert list(body["node_errors"]) == ["2"]
    assert all(part in text for part in says)
    assert error["type"] == "custom_validation_failed"
    assert error["extra_info"] == {"input_name": "image", "received_value": "b.png [output]"}


CHOSEN = InputFile("2", "style", "a.png", "input", "a.png", certain=False)


@pytest.mark.parametrize(("presence", "kept"), [(Presence.MISSING, ()), (Presence.THERE, (CHOSEN,))])
def test_a_choice_that_looks_like_a_file_is_one_when_there_is_such_a_file(
    presence: Presence, kept: tuple[InputFile, ...]
) -> None:
    style = {"class_type": "Style", "inputs": {"image": ["1", 0], "style": "a.png"}}
    info = {**INFOS, "Empty": {"input": {}, "output": ["IMAGE"]}}
    prompt = {"1": {"class_type": "Empty", "inputs": {}}, "2": style, "3": save("2")}
    asked = admission({"prompt": prompt}, Sides.here_only(info), NEW, 7)

    assert answered(asked, presence).submission.inputs == kept


def test_a_choice_that_is_a_link_out_is_not_sent_either() -> None:
    prompt = {"1": load("a.png"), "2": {"class_type": "Style", "inputs": {"image": ["1", 0], "style": "a.png"}}}
    asked = questions({**prompt, "3": save("2")})

    assert list(refused(asked, Presence.THERE, Presence.LINKED_OUT)["node_errors"]) == ["2"]


@pytest.mark.parametrize("name", ["../x.png", "/etc/hostname", "C:\\x.png"])
def test_a_name_that_leads_out_is_refused_before_anybody_looks(name: str) -> None:
    with pytest.raises(SubmissionRefused) as caught:
        questions({"1": load(name), "2": save("1")})

    assert list(caught.value.body["node_errors"]) == ["1"]


def test_a_long_name_is_cut_in_the_sentence() -> None:
    file = InputFile("1", "image", "n" * 5000, "input", "n" * 5000)

    assert len(withheld_because(file, Presence.UNVERIFIED)) < 600
