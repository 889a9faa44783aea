"""Requests in three spellings, and results."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.batch import encode_batch, encode_event
from wire.errors import WireError
from wire.events import NodeStarted
from wire.files import Cached, FileRef, Inline, Source, Url, Volume, Wanted, decode_bytes, encode_bytes
from wire.job import JobRequest, decode_request, decode_result, encode_request

WORKFLOW = {"3": {"class_type": "KSampler", "inputs": {"seed": 18446744073709551615, "model": ["1", 0]}}}
CONTENT = b"\x89PNG picture"
BASE64 = base64.b64encode(CONTENT).decode()


def reference(filename: str, subfolder: str = "") -> FileRef:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return FileRef(
        filename=filename,
        subfolder=subfolder,
        type="input",
        sha256=digest,
        size=len(CONTENT),
        source=Inline.of(CONTENT),
    )


@pytest.mark.parametrize(
    "request_",
    [
        JobRequest(workflow=WORKFLOW),
        JobRequest(workflow={}, collect=(Wanted(filename="a", subfolder="s", type="temp", sha256="0" * 64, start=3),)),
        JobRequest(
            workflow=WORKFLOW,
            prompt_id="5f3b7a3e-1111-4222-8333-944445555666",
            extra_data={"extra_pnginfo": {"workflow": {"id": "x"}}, "preview_method": "auto"},
            files=(reference("a.png", "sub"),),
            targets=("3",),
        ),
    ],
)
def test_a_request_survives_the_wire(request_: JobRequest) -> None:
    assert decode_request(json.loads(json.dumps(encode_request(request_)))) == request_


@pytest.mark.parametrize(
    ("source", "protocol"),
    [(Inline.of(CONTENT), 1), (Cached(), 3), (Url(url="https://example.org/"), 3), (Volume(path="a"), 3)],
)
def test_a_worker_of_the_first_version_refuses_what_it_cannot_read(source: Source, protocol: int) -> None:
    """It compares the number; what it can read it gets under its own."""
    file = reference("a.png").model_copy(update={"source": source})
    request = JobRequest(workflow=WORKFLOW, files=(file,), fetches=("url",))
    encoded = json.loads(json.dumps(encode_request(request)))

    assert encoded["protocol"] == protocol
    assert decode_request(encoded) == request


def test_a_signed_address_is_not_shown() -> None:
    assert "secret" not in repr(Url(url="https://example.org/?X-Amz-Signature=secret"))


def test_reference_images_become_files_with_their_folders() -> None:
    value = {"workflow": WORKFLOW, "reference_images": {"a.png": BASE64, "masks/b.png": BASE64}, "return_base64": True}

    request = decode_request(value)

    assert request.files == (reference("a.png"), reference("b.png", "masks"))
    assert request.workflow == WORKFLOW


@pytest.mark.parametrize("image", [BASE64, f"data:image/png;base64,{BASE64}"])
def test_images_become_files(image: str) -> None:
    request = decode_request({"workflow": WORKFLOW, "images": [{"name": "a.png", "image": image}]})

    assert request.files == (reference("a.png"),)


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"workflow": {}},
        {"workflow": "text"},
        {"workflow": WORKFLOW, "protocol": 5},
        {"workflow": WORKFLOW, "files": [{"filename": "a"}]},
        {"workflow": WORKFLOW, "images": {"a": "b"}},
        {"workflow": WORKFLOW, "images": [{"name": "a"}]},
        {"workflow": WORKFLOW, "images": ["a"]},
        {"workflow": WORKFLOW, "images": [{"name": 3, "image": "x"}]},
        {"workflow": WORKFLOW, "images": [{"name": "a", "image": "a"}]},
        {"workflow": WORKFLOW, "reference_images": ["a"]},
        {"workflow": WORKFLOW, "extra_data": "x"},
    ],
)
def test_a_wrong_request_is_refused_in_one_sentence(value: Any) -> None:
    with pytest.raises(WireError) as caught:
        decode_request(value)

    assert "\n" not in str(caught.value)


def test_a_result_is_its_batches() -> None:
    batch = encode_batch("run", 1, [encode_event(0, NodeStarted(node="x"))])

    (decoded,) = decode_result([batch])

    assert decoded.events[0].event == NodeStarted(node="x")


@pytest.mark.parametrize("output", [None, []])
def test_a_result_that_the_platform_dropped_is_empty(output: object) -> None:
    assert decode_result(output) == ()


def test_a_foreign_result_is_refused() -> None:
    with pytest.raises(WireError, match="this project's image"):
        decode_result({"images": []})


@given(st.binary(max_size=100))
def test_bytes_survive_base64(content: bytes) -> None:
    assert decode_bytes(encode_bytes(content)) == content


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(WireError):
        decode_bytes("no base64!")


def test_a_workflow_of_the_page_is_refused_with_what_it_is() -> None:
    with pytest.raises(WireError, match=r"`input.workflow`: this is a workflow in the format of ComfyUI's page"):
        decode_request({"workflow": {"nodes": [], "links": []}})
