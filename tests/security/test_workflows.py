"""A workflow from the internet: it names files, has odd classes, and nests as deep as it likes.

Whoever made it wants a file of the worker's container that is not an input, or a proxy that stumbles.
"""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from PIL import Image

from proxy.addons.submit import Submit
from tests.proxy.addons.conftest import Desk, desk_in
from tests.support.comfyui import SANDBOX, comfyui_process
from tests.support.counter import NEW, counter
from tests.support.flows import answer, asked
from tests.support.odd_prompts import BODIES, ODD_CLASSES, TOO_DEEP, nested
from tests.support.prompts import Prompt, inverted_file, inverted_image
from tests.support.strict_json import strictly_parsed
from tests.worker.conftest import Reader, make_app
from wire.events import NodeOutput, PromptFinished, PromptRejected
from wire.file_inputs import refusals, refusals_where_it_runs, suspects
from wire.job import JobRequest, decode_request, encode_request
from wire.limits import NESTING_MAX
from worker.app import App

# -- names: the same on both ends


INFOS: dict[str, dict[str, Any] | None] = {
    "LoadImage": {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}},
    "Load3D": {"input": {"required": {"model_file": [["none"], {"file_upload": True}], "image": ["LOAD_3D", {}]}}},
    "LoadLatent": {"input": {"required": {"latent": [["x.latent"]]}}},
    "Webcam": {"input": {"required": {"image": ["WEBCAM", {}]}}},
    "Chooser": {"input": {"required": {"video": [["clip.mp4", "/mnt/offered.mp4"]]}}},
    "NewChooser": {"input": {"optional": {"font": ["COMBO", {"options": ["../fonts/own.ttf"]}]}}},
    "Text": {"input": {"required": {"text": ["STRING", {"multiline": True}]}}},
    "ElsewhereOnly": None,
}
OUTSIDE = ["/abs.png", "/abs.png [temp]", "../x.png", "a/../../x.png [output]", "C:\\x.png", "c:x.png",
           "\\\\host\\x.png", "//host/x.png", "..\\x.png", "/"]  # fmt: skip
WRAPPINGS: dict[str, Any] = {
    "bare": lambda text: text,
    "wrapped": lambda text: {"__value__": text},
    "wrapped list": lambda text: {"__value__": ["a.png", text]},
    "list in a wrapped list": lambda text: {"__value__": [[text]]},
    "object in the wrapper": lambda text: {"__value__": {"image": text}},
    "wrapped twice": lambda text: {"__value__": {"__value__": text}},
    "wrapper with company": lambda text: {"__value__": text, "other": 1},
    "scene": lambda text: {"image": text, "recording": "", "camera_info": {"position": {"x": 1}}},
    "deep in a scene": lambda text: {"views": [{"front": [text]}]},
}
LOADERS = [("LoadImage", "image"), ("Load3D", "image"), ("Load3D", "model_file"), ("LoadLatent", "latent"),
           ("Webcam", "image")]  # fmt: skip


def one_node(kind: str, name: str, value: Any) -> Prompt:
    return {"1": {"class_type": kind, "inputs": {name: value}}}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize(("kind", "name"), LOADERS, ids=str)
@pytest.mark.parametrize("text", OUTSIDE, ids=ascii)
def test_a_loader_is_refused_a_file_outside_on_both_ends(text: str, kind: str, name: str, wrapping: str) -> None:
    prompt = one_node(kind, name, WRAPPINGS[wrapping](text))

    assert refusals(prompt, INFOS)["1"]["errors"][0]["type"] == "custom_validation_failed"
    assert refusals_where_it_runs(suspects(prompt), INFOS) == refusals(prompt, INFOS)


@pytest.mark.parametrize(
    ("kind", "name", "value", "refused"),
    [
        ("Chooser", "video", "/etc/secret.mp4", True),
        ("Chooser", "video", {"__value__": ["clip.mp4", "../secret.mp4"]}, True),
        ("Chooser", "video", "/mnt/offered.mp4", False),
        ("Chooser", "video", "clip.mp4", False),
        ("Chooser", "video", "//", False),
        ("NewChooser", "font", "../fonts/own.ttf", False),
        ("NewChooser", "font", "../../secret.ttf", True),
        ("Text", "text", "/imagine a ../cat.png", False),
        ("LoadImage", "image", ["/abs.png", 0], False),
        ("LoadImage", "other", "/abs.png", False),
        ("ElsewhereOnly", "image", "/abs.png", False),
        ("Load3D", "image", {"image": "threed/a.png [temp]", "note": "a b: c/d"}, False),
    ],
)
def test_a_choice_is_judged_where_it_is_known_what_is_offered(kind: str, name: str, value: Any, refused: bool) -> None:
    prompt = one_node(kind, name, value)

    assert bool(refusals_where_it_runs(suspects(prompt), INFOS)) is refused


BROKEN: list[Any] = [
    None, 5, "x", [], {}, {"class_type": "LoadImage"}, {"class_type": "LoadImage", "inputs": ["/a.png"]},
    {"class_type": [], "inputs": {"image": "/a.png"}},
]  # fmt: skip


@pytest.mark.parametrize("node", BROKEN, ids=str)
def test_a_node_that_is_none_is_left_to_comfyui(node: Any) -> None:
    assert suspects({"1": node}) == {}


# -- the worker, with a ComfyUI that opens whatever it is given


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    app = make_app(SANDBOX, tmp_path_factory.mktemp("worker"))
    app.start()
    yield app
    app.stop()


@pytest.mark.parametrize("wrapping", ["bare", "wrapped"])
async def test_the_worker_does_not_open_a_file_outside(worker: App, tmp_path: Path, wrapping: str) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), (1, 2, 3)).save(secret)
    prompt = inverted_file("")
    prompt["1"]["inputs"]["image"] = WRAPPINGS[wrapping](str(secret))
    reader = Reader(worker, prompt)
    await reader.task

    *_, rejected = reader.events
    assert isinstance(rejected, PromptRejected)
    assert rejected.error["type"] == "prompt_outputs_failed_validation"
    assert "is not a path inside ComfyUI's folders" in rejected.node_errors["1"]["errors"][0]["details"]
    assert not [event for event in reader.events if isinstance(event, NodeOutput)]


async def test_the_worker_runs_a_prompt_whose_texts_only_look_like_names(worker: App) -> None:
    prompt = inverted_image()
    prompt["1"]["_meta"] = {"title": "/etc/passwd"}
    prompt["3"]["inputs"]["comment"] = "/abs.png and ../x.png"
    reader = Reader(worker, prompt)
    await reader.task

    assert isinstance(reader.events[-1], PromptFinished)


# -- POST /prompt


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def comfyui(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async with comfyui_process(data=tmp_path_factory.mktemp("comfyui")) as url:
        yield url


@dataclass
class Door:
    """POST /prompt of the proxy, hook by hook."""

    desk: Desk
    addon: Submit

    async def post(self, body: object) -> tuple[int, Any]:
        self.desk.dispatcher.cancel(NEW)
        flow = asked("POST", "/prompt", body)
        await self.addon.request(flow)
        assert flow.response is not None
        strictly_parsed(flow.response.content or b"")
        return answer(flow)

    async def refused(self, body: object) -> dict[str, Any]:
        """ComfyUI's error of a body that must not pass."""
        status, answered = await self.post(body)
        assert status == 400, answered
        assert self.desk.store.find(NEW) is None
        return refusal(answered)


def refusal(body: Any) -> dict[str, Any]:
    """The error in *body*, which has ComfyUI's shape."""
    assert set(body) == {"error", "node_errors"}
    assert {name: type(value) for name, value in body["error"].items()} == {
        "type": str,
        "message": str,
        "details": str,
        "extra_info": dict,
    }
    error: dict[str, Any] = body["error"]
    return error


@pytest.fixture
async def door(tmp_path: Path, comfyui: str) -> AsyncIterator[Door]:
    async with aiohttp.ClientSession() as session, desk_in(tmp_path, session) as desk:
        yield Door(desk, counter(desk, session, comfyui).submit())


PLACES: dict[str, Any] = {
    "an input": lambda value: {"prompt": {**inverted_image(), "9": {"class_type": "X", "inputs": {"x": value}}}},
    "a node": lambda value: {"prompt": {**inverted_image(), "9": value}},
    "a class": lambda value: {"prompt": {**inverted_image(), "9": {"class_type": value, "inputs": {}}}},
    "the prompt": lambda value: {"prompt": value},
    "extra_data": lambda value: {"prompt": inverted_image(), "extra_data": {"x": value}},
    "the workflow": lambda value: {
        "prompt": inverted_image(),
        "extra_data": {"extra_pnginfo": {"workflow": {"nodes": [], "extra": value}}},
    },
    "client_id": lambda value: {"prompt": inverted_image(), "client_id": value},
    "prompt_id": lambda value: {"prompt": inverted_image(), "prompt_id": value},
    "number": lambda value: {"prompt": inverted_image(), "number": value},
    "targets": lambda value: {"prompt": inverted_image(), "partial_execution_targets": value},
    "something unknown": lambda value: {"prompt": inverted_image(), "x": value},
    "the body": lambda value: value,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("levels", TOO_DEEP)
async def test_a_prompt_that_nests_too_deeply_is_refused_wherever_it_does(door: Door, place: str, levels: int) -> None:
    body = PLACES[place](nested(levels))

    assert (await door.refused(json.dumps(body).encode()))["type"].startswith("invalid_")


@pytest.mark.parametrize("levels", [2000, 10_000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
async def test_one_that_no_parser_reads_is_refused_as_well(door: Door, levels: int, opening: str) -> None:
    body = '{"prompt":' + opening * levels + "1" + ("]" if opening == "[" else "}") * levels + "}"

    assert (await door.refused(body.encode()))["type"] == "invalid_json"


@pytest.mark.parametrize("kind", ODD_CLASSES, ids=lambda kind: ascii(kind)[:20])
async def test_a_class_that_no_node_has_is_refused_in_comfyuis_words(door: Door, kind: object) -> None:
    error = await door.refused(PLACES["a class"](kind))

    assert error["type"] == "missing_node_type"
    assert error["message"].startswith("Node '")
    assert error["details"] == "Node ID '#9'"


RARE_CLASSES = ["__class__", "__proto__", "constructor", "toString", "a/b", "%2e%2e", "?", "#", "ü 💬", "../prompt",
                "x" * 200, "{name}", "<script>", "'; DROP TABLE jobs; --"]  # fmt: skip


@pytest.mark.parametrize("kind", RARE_CLASSES)
async def test_a_class_that_only_the_endpoint_may_have_is_let_through(door: Door, kind: str) -> None:
    status, body = await door.post(PLACES["a class"](kind))

    assert (status, body["node_errors"]) == (200, {})


@pytest.mark.parametrize(
    "inputs", [{"image": {"__value__": "/abs.png"}}, {"image": {"__value__": "../a.png [temp]"}}], ids=str
)
async def test_a_wrapped_name_is_judged_like_a_bare_one(door: Door, inputs: dict[str, Any]) -> None:
    status, body = await door.post(
        {"prompt": {**inverted_file(""), "1": {"class_type": "LoadImage", "inputs": inputs}}}
    )

    assert (status, list(body["node_errors"])) == (400, ["1"])
    assert "is not a path inside" in body["node_errors"]["1"]["errors"][0]["details"]


async def test_the_deepest_prompt_that_is_taken_reaches_the_worker(door: Door) -> None:
    deep = nested(NESTING_MAX - 4)
    body = PLACES["an input"](deep) | {"extra_data": {"extra_pnginfo": {"workflow": nested(NESTING_MAX - 3)}}}
    status, _ = await door.post(body)
    job = door.desk.store.get(NEW)
    sent = encode_request(JobRequest(workflow=dict(job.prompt), extra_data=dict(job.extra_data)))
    received = decode_request(json.loads(json.dumps(sent)))

    assert status == 200
    assert received.workflow["9"]["inputs"]["x"] == deep


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(BODIES)
async def test_any_json_is_answered_with_200_or_with_comfyuis_400(door: Door, body: Any) -> None:
    status, answered = await door.post(json.dumps(body).encode())

    assert status in (200, 400), answered
    if status == 400:
        refusal(answered)
