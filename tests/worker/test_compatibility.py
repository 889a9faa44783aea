"""Requests and answers as worker-comfyui documents them (README.md and test_input.json of 5.x, d2a5572, 2026-03-20)."""

from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import FAKE, make_app
from wire.files import Inline
from wire.job import decode_request

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAMklEQVR4nGI5ZdXAQEvARFPTRy0YtWDUglELRi0YtWDUglELRi0YtWDUglELRi0YtWDU"
    "AioCQAAAAP//E24Bx3jUKuYAAAAASUVORK5CYII="
)
PROMPT = {
    "6": {
        "inputs": {"text": "a ball on the table", "clip": ["30", 1]},
        "class_type": "CLIPTextEncode",
        "_meta": {"title": "CLIP Text Encode (Positive Prompt)"},
    }
}


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_the_documented_request_is_understood(prefix: str) -> None:
    documented = {"workflow": PROMPT, "images": [{"name": "input_image_1.png", "image": prefix + PIXEL}]}

    request = decode_request(documented)

    (file,) = request.files
    assert request.workflow == PROMPT
    assert (file.filename, file.subfolder, file.type) == ("input_image_1.png", "", "input")
    assert isinstance(file.source, Inline)
    assert file.source.content().startswith(b"\x89PNG")


def test_the_key_for_api_nodes_reaches_comfyui_under_its_own_name() -> None:
    request = decode_request({"workflow": PROMPT, "comfy_org_api_key": "comfyui-key"})

    assert request.extra_data == {"api_key_comfy_org": "comfyui-key"}


async def answered(home: Path, job_input: dict[str, Any]) -> dict[str, Any]:
    app = make_app(FAKE, home, worker_stream=False)
    app.start()
    try:
        answer: dict[str, Any] = await app.handler({"id": "sync-uuid-string", "input": job_input})  # type: ignore[misc]
    finally:
        app.stop()
    return answer


async def test_the_documented_answer_is_given(tmp_path: Path) -> None:
    prompt = {"9": {"class_type": "Save", "inputs": {"size": 512, "name": "ComfyUI_00001_"}}}

    answer = await answered(tmp_path, {"workflow": prompt})

    (image,) = answer["images"]
    assert set(image) == {"filename", "type", "data"}
    assert (image["filename"], image["type"]) == ("ComfyUI_00001_.png", "base64")
    assert isinstance(image["data"], str)


async def test_previews_are_not_among_the_images(tmp_path: Path) -> None:
    prompt = {"9": {"class_type": "Save", "inputs": {"size": 512, "name": "preview", "folder": "temp"}}}

    answer = await answered(tmp_path, {"workflow": prompt})

    assert answer["images"] == []
    assert [(file["kind"], file["filename"]) for file in answer["files"]] == [("temp", "preview.png")]


async def test_a_failure_is_told_under_error_with_the_node(tmp_path: Path) -> None:
    prompt = {"4": {"class_type": "Fail", "inputs": {"message": "size mismatch"}}}

    answer = await answered(tmp_path, {"workflow": prompt})

    assert answer["error"] == "size mismatch"
    assert (answer["error_type"], answer["node_id"]) == ("RuntimeError", "4")
    assert answer["diagnostics"]["traceback"] == ["at node 1"]
