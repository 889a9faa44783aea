"""Which POSTs of a page travel to a worker's ComfyUI, and how they are written."""

import json
import os
import re
from pathlib import Path

import pytest

from proxy.addons.routes import Route, route
from wire.errors import WireError
from wire.files import Url, Volume
from wire.job import JobRequest, decode_request, encode_request
from wire.letters import (
    BOX_MAX,
    LETTER_MAX,
    LETTERS_MAX,
    Letter,
    box_key,
    box_of,
    decode_letters,
    encode_letters,
    may_travel,
    newest,
)
from wire.limits import MIB

NAME = "0f" * 32
WORKFLOW = {"1": {"class_type": "X", "inputs": {}}}


def letter(number: int = 0, body: bytes = b"{}", path: str = "/chooser/answer") -> Letter:
    return Letter.of(id=f"{number:032x}", run="run", path=path, content_type="application/json", body=body)


@pytest.mark.parametrize(
    "path",
    [
        "/cg-image-filter-message",
        "/api/cg-image-filter-message",
        "/image_chooser_message",
        "/easyuse/image_chooser_message",
        "/api/easyuse/message_callback?x=1&y=/prompt",
        "/pause_workflow/continue/12:3",
        "/easyuse/save/a%20name",
        "/promptly",
        "/views",
    ],
)
def test_the_route_of_a_custom_node_travels(path: str) -> None:
    assert may_travel(path)


@pytest.mark.parametrize("prefix", ["", "/api", "/api/api", "/API"])
@pytest.mark.parametrize(
    "path",
    [
        *("/prompt", "/queue", "/interrupt", "/free", "/history", "/upload/image", "/upload/mask", "/users"),
        *("/settings", "/settings/x", "/userdata/a.json", "/userdata/a/move/b", "/v2/userdata", "/internal/logs"),
        *("/jobs/1/cancel", "/jobs/cancel", "/assets", "/assets/from-hash", "/assets/seed", "/tags", "/ws", "/view"),
        *("/customnode/install/git_url", "/manager/queue/install", "/v2/manager/queue/batch", "/model/install"),
        *("/snapshot/restore", "/comfyui_manager/comfyui_switch_version", "/runpod/api/jobs/x/cancel"),
    ],
)
def test_a_route_of_comfyui_of_its_manager_or_of_ours_never_travels(prefix: str, path: str) -> None:
    assert not may_travel(prefix + path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/api", "/api/", "prompt", "//prompt", "/x//y", "/x/", "/./prompt", "/x/../prompt", "/x/.."),
        *("/%2e%2e/prompt", "/x/%2E%2E/prompt", "/x%2f..%2fprompt", "/x%2Fy", "/x%5cy", "/x\\y", "/%70rompt"),
        *("/PROMPT", "/Prompt", "/%50ROMPT", "/%2570rompt", "/x%", "/x%zz", "/x%00", "/x%0d%0ay", "/x y", "/x\ny"),
        *("/ä", "/x#y", "/%ff", "/x" * 1_500, "http://elsewhere/x", "/pro%6dpt?x", "/api%2fprompt", "/u\u017fers"),
    ],
)
def test_a_path_that_two_programs_may_read_differently_never_travels(path: str) -> None:
    assert not may_travel(path)


@pytest.mark.parametrize(
    "path", ["/pack/reboot", "/pack/model/download", "/pack/install", "/pack/pip_install", "/pack/Shutdown-now"]
)
def test_what_changes_or_restarts_the_machine_never_travels(path: str) -> None:
    assert not may_travel(path)


@pytest.mark.parametrize("found", [found for found in Route if found is not Route.OTHER])
def test_whatever_the_proxy_answers_or_merges_never_travels(found: Route) -> None:
    paths = {
        Route.PROMPT: "/prompt",
        Route.PROMPT_STATUS: "/prompt",
        Route.QUEUE: "/queue",
        Route.INTERRUPT: "/interrupt",
        Route.HISTORY: "/history",
        Route.HISTORY_ITEM: "/history/x",
        Route.JOBS: "/api/jobs",
        Route.JOB: "/api/jobs/x",
        Route.JOB_CANCEL: "/api/jobs/x/cancel",
        Route.JOBS_CANCEL: "/api/jobs/cancel",
        Route.SOCKET: "/ws",
        Route.EXTENSIONS: "/extensions",
        Route.FEATURES: "/features",
        Route.UPLOAD: "/upload/image",
        Route.VIEW: "/view",
        Route.ASSET: "/assets/x-12345678.js",
        Route.OURS: "/runpod/api/jobs",
        Route.NODES: "/object_info",
        Route.NODE: "/object_info/x",
        Route.KINDS: "/models",
        Route.MODELS: "/models/x",
        Route.EMBEDDINGS: "/embeddings",
        Route.FOLDERS: "/experiment/models",
        Route.FILES: "/experiment/models/x",
    }

    assert found in {route(method, paths[found]).route for method in ("GET", "POST")}
    assert not may_travel(paths[found])


@pytest.mark.skipif("COMFYUI_DIR" not in os.environ, reason="no ComfyUI here: set COMFYUI_DIR")
def test_no_route_in_the_source_of_comfyui_travels() -> None:
    home = Path(os.environ["COMFYUI_DIR"])
    folders = ("app", "api_server", "comfy_execution")
    files = [home / "server.py", *(path for folder in folders for path in Path(home, folder).rglob("*.py"))]
    found = {
        match[1]
        for file in files
        for match in re.finditer(
            r"routes\.(?:get|post|put|delete|patch|head)\(\s*f?[\"'](/[^\"']*)", file.read_text(encoding="utf-8"), re.I
        )
    }
    routes = {re.sub(r"\{[^/]*\}", "x", path) for path in found} - {"/files/x", "/folder_paths", "/logs", "/logs/raw"}

    assert {"/prompt", "/upload/image", "/userdata/x"} <= routes
    assert [path for path in sorted(routes) if may_travel(path)] == ["/logs/subscribe"]  # below /internal
    assert not may_travel("/internal/logs/subscribe")


def test_a_box_is_what_was_put_into_it() -> None:
    letters = (letter(1, b"\x00\xff"), letter(2, b"", "/a?b=c"))

    assert decode_letters(encode_letters(letters)) == letters
    assert [one.content() for one in letters] == [b"\x00\xff", b""]


def test_an_empty_box_has_no_letters() -> None:
    assert decode_letters(b"") == ()


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"letters": 1}', b"null", b"\xff"])
def test_what_is_not_a_whole_box_is_refused(content: bytes) -> None:
    with pytest.raises(WireError):
        decode_letters(content)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/prompt"},
        {"path": "/x/../prompt"},
        {"id": "x"},
        {"content_type": "a\r\nCookie: b"},
        {"body": "A" * (LETTER_MAX * 2)},
        {"run": None},
    ],
)
def test_a_letter_that_must_not_travel_is_left_out_and_the_others_stay(change: dict[str, object]) -> None:
    good = letter(1).model_dump(mode="json")
    box = json.dumps({"letters": [good | change, good, 5]}).encode()

    assert decode_letters(box) == (letter(1),)


def test_a_body_over_a_mebibyte_is_refused() -> None:
    assert letter(body=bytes(LETTER_MAX)).content() == bytes(LETTER_MAX)
    with pytest.raises(ValueError, match="too large"):
        letter(body=bytes(LETTER_MAX + 10))


def test_a_box_keeps_the_newest_letters() -> None:
    many = [letter(number) for number in range(LETTERS_MAX + 5)]
    heavy = [letter(number, bytes(MIB)) for number in range(6)]

    assert newest(many) == tuple(many[5:])
    assert [one.id for one in newest(heavy)] == [one.id for one in heavy[2:]]
    assert len(encode_letters(newest(heavy))) < BOX_MAX


@pytest.mark.parametrize("box", [Url(url="https://x/y"), Volume(path=box_key(NAME))])
def test_a_request_names_its_letter_box(box: Url | Volume) -> None:
    sent = encode_request(JobRequest(workflow=WORKFLOW, letters=box))

    assert decode_request(json.loads(json.dumps(sent))).letters == box


@pytest.mark.parametrize(
    "value",
    [
        *(None, 5, "x", [], {}, {"kind": "pigeon"}, {"kind": "volume"}, {"kind": "volume", "path": "a/../b"}),
        {"kind": "volume", "path": f"comfy-runpod/letters/../{NAME}"},
        {"kind": "volume", "path": f"/comfy-runpod/letters/{NAME}"},
        {"kind": "volume", "path": "comfy-runpod/inputs/" + NAME},
    ],
)
def test_a_letter_box_that_cannot_be_read_costs_no_job(value: object) -> None:
    assert decode_request({"workflow": WORKFLOW, "letters": value}).letters is None
    assert box_of(value) is None
