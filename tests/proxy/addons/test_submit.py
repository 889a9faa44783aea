"""POST /prompt, hook by hook, with a ComfyUI process behind it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.states import JobState
from proxy.addons.submit import Submit
from tests.proxy.addons.conftest import SEED, Desk
from tests.support.catalogs import node
from tests.support.comfyui import comfyui_process
from tests.support.counter import NEW, counter
from tests.support.files import fill
from tests.support.flows import answer, asked
from tests.support.ports import free_port
from tests.support.prompts import Prompt, inverted_file, inverted_image
from tests.support.served import served
from tests.support.strict_json import strictly_parsed

BARE: dict[str, Any] = {"class_type": "EmptyImage", "inputs": {}}


@dataclass
class Server:
    url: str
    data: Path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    data = tmp_path_factory.mktemp("comfyui")
    async with comfyui_process(data=data) as url:
        fill(data / "input", ["a.png"])
        fill(data, ["secret.png"])
        (data / "input" / "link.png").symlink_to(data / "secret.png")
        yield Server(url, data)


def submit(desk: Desk, session: aiohttp.ClientSession, url: str, *, hand_account: bool = False) -> Submit:
    return counter(desk, session, url).submit(hand_account=hand_account)


@pytest.fixture
def addon(desk: Desk, session: aiohttp.ClientSession, server: Server) -> Submit:
    return submit(desk, session, server.url)


async def posted(addon: Submit, body: object, path: str = "/prompt") -> tuple[int, Any]:
    flow = asked("POST", path, body)
    await addon.request(flow)
    return answer(flow)


@pytest.mark.parametrize("path", ["/prompt", "/api/prompt", "/%70rompt"])
async def test_a_prompt_is_answered_at_once_and_waits_in_the_queue(desk: Desk, addon: Submit, path: str) -> None:
    prompt = inverted_image()
    prompt["1"]["inputs"]["color"] = 5
    extra = {"extra_pnginfo": {"workflow": {"id": "w", "seed": SEED}}, "api_key_comfy_org": "secret"}
    status, body = await posted(addon, {"prompt": prompt, "client_id": "page", "extra_data": extra}, path)
    job = desk.store.get(NEW)

    assert (status, body) == (200, {"prompt_id": NEW, "number": 0, "node_errors": {}})
    assert (job.state, job.prompt, job.client_id) == (JobState.PENDING, prompt, "page")
    assert job.extra_data == {"extra_pnginfo": extra["extra_pnginfo"], "create_time": 7, "client_id": "page"}
    assert desk.pages.changes == 1


@pytest.mark.parametrize("line", ["GET /prompt", "POST /queue", "POST /api/api/prompt", "POST /prompt/"])
async def test_other_requests_pass(desk: Desk, addon: Submit, line: str) -> None:
    method, path = line.split(" ")
    flow = asked(method, path, {"prompt": inverted_image()})
    await addon.request(flow)

    assert flow.response is None
    assert desk.store.find(NEW) is None


def with_number(number: object) -> dict[str, Any]:
    return {"prompt": inverted_image(), "number": number}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "invalid_json"),
        (b"[]", "invalid_json"),
        ({}, "no_prompt"),
        ({"prompt": {}}, "prompt_no_outputs"),
        ({"prompt": {"1": inverted_image()["1"]}}, "prompt_no_outputs"),
        ({"prompt": inverted_image(), "prompt_id": "mine"}, "invalid_prompt_id"),
        (with_number("many"), "invalid_prompt"),
        ({"prompt": {**inverted_image(), "1": BARE}}, "prompt_outputs_failed_validation"),
    ],
)
async def test_what_cannot_run_is_refused_in_comfyuis_shape(desk: Desk, addon: Submit, body: object, kind: str) -> None:
    status, answered = await posted(addon, body)

    assert status == 400
    assert answered["error"]["type"] == kind
    assert desk.store.find(NEW) is None


@pytest.mark.parametrize(
    ("name", "details"),
    [
        ("link.png", "is a link to a file outside ComfyUI's input folder"),
        ("../secret.png", "is not a path inside"),
        ("nowhere.png", "image - Invalid image file: nowhere.png"),
        ("a.png [output]", "image - Invalid image file: a.png [output]"),
    ],
)
async def test_a_file_that_cannot_be_sent_is_refused_on_its_node(
    desk: Desk, addon: Submit, name: str, details: str
) -> None:
    status, body = await posted(addon, {"prompt": inverted_file(name)})

    assert status == 400
    assert list(body["node_errors"]) == ["1"]
    assert details in body["node_errors"]["1"]["errors"][0]["details"]
    assert desk.store.find(NEW) is None


async def test_outputs_that_can_run_do_and_the_answer_says_which_cannot(desk: Desk, addon: Submit) -> None:
    prompt: Prompt = inverted_image()
    prompt["9"] = {"class_type": "LoadImage", "inputs": {"image": "nowhere.png"}}
    prompt["10"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["9", 0]}}
    status, body = await posted(addon, {"prompt": prompt})

    assert status == 200
    assert list(body["node_errors"]) == ["9"]
    assert desk.store.get(NEW).outputs_to_execute == ("3",)


async def test_an_id_that_is_in_the_queue_is_refused_and_one_that_has_ended_is_used_again(
    desk: Desk, addon: Submit
) -> None:
    first, _ = await posted(addon, {"prompt": inverted_image()})
    second, refused = await posted(addon, {"prompt": inverted_image()})
    desk.dispatcher.cancel(NEW)
    third, _ = await posted(addon, {"prompt": inverted_image(), "prompt_id": NEW})

    assert (first, second, third) == (200, 400, 200)
    assert refused["error"]["type"] == "invalid_prompt_id"


@pytest.mark.parametrize(("number", "shown"), [(2.5, 2.5), (3, 3), (-1.0, -1), (None, 0), (1e308, 1e308)])
async def test_a_number_is_the_persons_when_it_is_finite(addon: Submit, number: object, shown: object) -> None:
    status, body = await posted(addon, with_number(number))

    assert (status, body["number"]) == (200, shown)


async def test_a_comfyui_that_is_down_is_said_and_nothing_is_kept(desk: Desk, session: aiohttp.ClientSession) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    status, body = await posted(submit(desk, session, url), {"prompt": inverted_image()})

    assert status == 503
    assert body["error"]["type"] == "comfyui_unavailable"
    assert url in body["error"]["details"]
    assert desk.store.find(NEW) is None


async def test_a_comfyui_that_stumbles_is_said_and_nothing_is_kept(desk: Desk, session: aiohttp.ClientSession) -> None:
    async def stumble(_: web.Request) -> web.Response:
        return web.Response(status=500, text="out of memory")

    app = web.Application()
    app.router.add_get("/{path:.*}", stumble)
    async with served(app) as url:
        status, body = await posted(submit(desk, session, url), {"prompt": inverted_image()})

    assert status == 502
    assert "out of memory" in body["error"]["details"]
    assert desk.store.find(NEW) is None


SAVER = {"input": {"required": {"value": ["INT", {}]}}, "output": [], "output_node": True, "python_module": "nodes"}
RENAMED = {"OldSaver": [{"new_node_id": "NewSaver", "input_mapping": [{"new_id": "value", "old_id": "number"}]}]}


@asynccontextmanager
async def comfyui_with(table: dict[str, Any] | None) -> AsyncIterator[str]:
    """One that knows NewSaver, and this table of replacements, if any."""

    async def info(request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        return web.json_response({kind: SAVER} if kind == "NewSaver" else {})

    async def replacements(_: web.Request) -> web.Response:
        return web.json_response(table)

    app = web.Application()
    app.router.add_get("/object_info/{kind}", info)
    if table is not None:
        app.router.add_get("/node_replacements", replacements)
    async with served(app) as url:
        yield url


@pytest.mark.parametrize(
    ("table", "kept"),
    [
        (RENAMED, {"class_type": "NewSaver", "inputs": {"value": 5}}),
        ({"OldSaver": [{"new_node_id": "OfNobody"}]}, {"class_type": "OldSaver", "inputs": {"number": 5}}),
        ({}, {"class_type": "OldSaver", "inputs": {"number": 5}}),
        (None, {"class_type": "OldSaver", "inputs": {"number": 5}}),
    ],
)
async def test_an_old_name_of_a_class_is_replaced_where_comfyui_would(
    desk: Desk, session: aiohttp.ClientSession, table: dict[str, Any] | None, kept: dict[str, Any]
) -> None:
    async with comfyui_with(table) as url:
        body = {"prompt": {"1": {"class_type": "OldSaver", "inputs": {"number": 5}}}}
        status, _ = await posted(submit(desk, session, url), body)

    assert status == 200
    assert desk.store.get(NEW).prompt == {"1": kept}


async def test_a_replaced_node_is_judged_by_its_new_class(desk: Desk, session: aiohttp.ClientSession) -> None:
    async with comfyui_with(RENAMED) as url:
        body = {"prompt": {"1": {"class_type": "OldSaver", "inputs": {"number": "many"}}}}
        status, answered = await posted(submit(desk, session, url), body)

    assert status == 400
    assert answered["node_errors"]["1"]["class_type"] == "NewSaver"
    assert answered["node_errors"]["1"]["errors"][0]["type"] == "invalid_input_type"


VALUES = st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.sampled_from(["a.png", "\ud800", 10**30])
ANY = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
CLASSES = st.sampled_from(["EmptyImage", "SaveImage", "LoadImage", "PreviewImage", "OfAnotherMachine", "\ud800", "a/b"])
NODES = st.fixed_dictionaries(
    {
        "class_type": CLASSES,
        "inputs": st.dictionaries(st.sampled_from(["image", "images", "width", "color", "x"]), ANY, max_size=4),
    }
)
BODIES = st.fixed_dictionaries(
    {"prompt": st.dictionaries(st.sampled_from("12"), NODES, max_size=2) | ANY},
    optional={"extra_data": ANY, "client_id": ANY, "number": ANY, "prompt_id": ANY, "partial_execution_targets": ANY},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(BODIES)
async def test_whatever_is_posted_the_answer_is_json_that_a_browser_can_parse(
    desk: Desk, addon: Submit, body: dict[str, Any]
) -> None:
    desk.dispatcher.cancel(NEW)
    flow = asked("POST", "/prompt", json.dumps(body).encode())
    await addon.request(flow)
    assert flow.response is not None
    parsed = strictly_parsed(flow.response.content or b"")

    assert flow.response.status_code in (200, 400)
    assert ("prompt_id" in parsed) == (flow.response.status_code == 200)


@pytest.mark.parametrize(
    ("extra", "header", "kept"),
    [
        ({}, "my-script", "my-script"),
        ({"comfy_usage_source": "comfyui-frontend"}, "my-script", "comfyui-frontend"),
        ({"comfy_usage_source": ""}, "my-script", ""),
        ({}, "", None),
    ],
)
async def test_where_a_prompt_comes_from_is_kept_as_comfyui_keeps_it(
    desk: Desk, addon: Submit, extra: dict[str, str], header: str, kept: str | None
) -> None:
    flow = asked("POST", "/prompt", {"prompt": inverted_image(), "extra_data": extra})
    flow.request.headers["Comfy-Usage-Source"] = header
    await addon.request(flow)

    assert answer(flow)[0] == 200
    assert desk.store.get(NEW).extra_data.get("comfy_usage_source") == kept


PARTNER = {"1": {"class_type": "SandboxPartner", "inputs": {"message": ""}}}
SIGNED_IN = {"prompt": PARTNER, "extra_data": {"api_key_comfy_org": "the-key-of-an-account"}}


async def test_a_partner_node_is_refused_on_its_node_before_it_costs_anything(desk: Desk, addon: Submit) -> None:
    status, body = await posted(addon, SIGNED_IN)

    assert status == 400
    assert "COMFY_ORG_TOKENS=1" in body["node_errors"]["1"]["errors"][0]["details"]
    assert desk.store.find(NEW) is None


async def test_the_token_of_an_account_is_held_for_the_job_and_not_stored(
    desk: Desk, session: aiohttp.ClientSession, server: Server
) -> None:
    status, _ = await posted(submit(desk, session, server.url, hand_account=True), SIGNED_IN)
    job = desk.store.get(NEW)
    desk.dispatcher.cancel(NEW)

    assert status == 200
    assert job.extra_data == {"create_time": 7}


async def test_one_unknown_class_does_not_switch_the_rest_off(desk: Desk, addon: Submit) -> None:
    prompt = {**inverted_image(), "1": BARE, "7": node("OfNobody", image=["1", 0]), "8": node("Far", image=["7", 0])}
    status, body = await posted(addon, {"prompt": prompt})

    assert (status, list(body["node_errors"])) == (400, ["1"])


async def test_an_output_of_an_unknown_class_runs_beside_one_that_cannot(desk: Desk, addon: Submit) -> None:
    prompt = {**inverted_image(), "1": BARE, "7": node("OfNobody")}
    status, body = await posted(addon, {"prompt": prompt})

    assert (status, list(body["node_errors"])) == (200, ["1"])
    assert desk.store.get(NEW).targets == ("7",)
