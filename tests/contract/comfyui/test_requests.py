"""What a ComfyUI accepts and refuses."""

import uuid
from typing import Any

import aiohttp
import pytest

from tests.contract.comfyui.conftest import Server
from tests.support.prompts import inverted_file, inverted_image

pytestmark = pytest.mark.asyncio(loop_scope="module")


def scaled(**inputs: Any) -> dict[str, Any]:
    prompt = inverted_image()
    given = {"image": ["1", 0], "upscale_method": "lanczos", "width": 8, "height": 8, "crop": "disabled", **inputs}
    prompt["2"] = {"class_type": "ImageScale", "inputs": {k: v for k, v in given.items() if v is not None}}
    return prompt


@pytest.mark.parametrize(
    ("body", "error", "details"),
    [
        ({}, "no_prompt", "No prompt provided"),
        ({"prompt": {}}, "prompt_no_outputs", ""),
        ({"prompt": {"1": inverted_image()["1"]}}, "prompt_no_outputs", ""),
        ({"prompt": {"1": {"inputs": {}}}}, "missing_node_type", "Node ID '#1'"),
        ({"prompt": {"1": {"class_type": "NoSuchNode", "inputs": {}}}}, "missing_node_type", "Node ID '#1'"),
        ({"prompt": inverted_image(), "partial_execution_targets": ["9"]}, "prompt_no_outputs", ""),
    ],
)
async def test_a_prompt_that_is_none(server: Server, body: dict[str, Any], error: str, details: str) -> None:
    status, answer = await server.post("/prompt", body)

    assert status == 400
    told = answer["error"]["type"].replace("invalid_prompt", "missing_node_type")  # what it was before 0.33
    assert (told, answer["error"]["details"]) == (error, details)
    assert not answer["node_errors"]


@pytest.mark.parametrize(
    ("prompt", "node", "kind", "details"),
    [
        (scaled(image=None), "2", "required_input_missing", "image"),
        (scaled(crop="bogus"), "2", "value_not_in_list", "crop: 'bogus' not in ['disabled', 'center']"),
        (scaled(width=-1), "2", "value_smaller_than_min", "width"),
        (scaled(width=99999), "2", "value_bigger_than_max", "width"),
        (
            scaled(width="wide"),
            "2",
            "invalid_input_type",
            "width, wide, invalid literal for int() with base 10: 'wide'",
        ),
        (inverted_file("nowhere.png"), "1", "custom_validation_failed", "image - Invalid image file: nowhere.png"),
    ],
)
async def test_a_node_error_says_what_is_wrong(
    server: Server, prompt: dict[str, Any], node: str, kind: str, details: str
) -> None:
    status, answer = await server.post("/prompt", {"prompt": prompt})
    (error,) = answer["node_errors"][node]["errors"]

    assert status == 400
    assert answer["error"]["type"] == "prompt_outputs_failed_validation"
    assert (error["type"], error["details"]) == (kind, details)
    assert answer["node_errors"][node]["dependent_outputs"] == ["3"]


async def test_good_outputs_run_although_others_are_wrong(server: Server) -> None:
    prompt = scaled(image=None)
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}
    status, answer = await server.post("/prompt", {"prompt": prompt})
    entry = await server.history(answer["prompt_id"])

    assert status == 200
    assert list(answer["node_errors"]) == ["2"]
    assert set(entry["outputs"]) == {"4"}


async def test_numbers_rise_front_is_negative_and_a_chosen_id_is_kept(server: Server) -> None:
    wanted = str(uuid.uuid4())
    _, first = await server.post("/prompt", {"prompt": inverted_image(color=31)})
    _, second = await server.post("/prompt", {"prompt": inverted_image(color=32), "prompt_id": wanted})
    _, front = await server.post("/prompt", {"prompt": inverted_image(color=33), "front": True})
    _, chosen = await server.post("/prompt", {"prompt": inverted_image(color=34), "number": 2.5})

    assert second["number"] == first["number"] + 1
    assert second["prompt_id"] == wanted
    assert front["number"] == -(second["number"] + 1)
    assert chosen["number"] == 2.5


async def test_history_is_cut_and_deleted(server: Server) -> None:
    ids = [await server.queue(inverted_image(color=40 + n)) for n in range(3)]
    for prompt_id in ids:
        await server.history(prompt_id)
    last_two = await server.get("/history?max_items=2")
    window = await server.get("/history?max_items=1&offset=0")
    await server.post("/history", {"delete": [ids[2]]})

    assert list(last_two) == ids[1:]
    assert list(window) != [ids[2]]
    assert await server.get("/history?max_items=0") == {}
    assert ids[2] not in await server.get("/history")


async def test_uploads_never_overwrite_unless_told(server: Server) -> None:
    answers = [
        await server.upload("ü 漢.bin", b"one", subfolder="up"),
        await server.upload("ü 漢.bin", b"one", subfolder="up"),
        await server.upload("ü 漢.bin", b"two", subfolder="up"),
        await server.upload("ü 漢.bin", b"new", subfolder="up", overwrite="true"),
    ]
    names = [body["name"] for _, body in answers]

    assert names == ["ü 漢.bin", "ü 漢.bin", "ü 漢 (1).bin", "ü 漢.bin"]
    assert answers[0][1] == {"name": "ü 漢.bin", "subfolder": "up", "type": "input"}
    assert (server.data / "input" / "up" / "ü 漢.bin").read_bytes() == b"new"


async def test_uploads_go_into_any_folder_but_not_out_of_it(server: Server) -> None:
    stored, body = await server.upload("x.mp4", b"v", type="output", subfolder="a/b")

    assert (stored, body["type"]) == (200, "output")
    assert (server.data / "output" / "a" / "b" / "x.mp4").read_bytes() == b"v"
    for subfolder in ("../..", "/etc", "sub/../../output"):
        assert (await server.upload("x.png", b"e", subfolder=subfolder))[0] == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("filename=seen.bin&subfolder=view&type=input", 200),
        ("filename=seen.bin [input]&subfolder=view", 200),
        ("filename=seen.bin&type=input", 404),
        ("filename=seen.bin&subfolder=view", 404),
        ("filename=../seen.bin&type=input", 400),
        ("filename=/etc/hostname", 400),
        ("filename=", 400),
        ("filename=x&type=elsewhere", 400),
        ("filename=x&subfolder=../..&type=input", 403),
    ],
)
async def test_files_are_viewed_by_name_folder_and_type(server: Server, query: str, status: int) -> None:
    await server.upload("seen.bin", b"0123456789", subfolder="view", overwrite="true")
    async with server.session.get(f"{server.url}/view?{query}") as response:
        assert response.status == status


async def test_a_part_of_a_file_can_be_asked_for(server: Server) -> None:
    await server.upload("seen.bin", b"0123456789", subfolder="view", overwrite="true")
    url = f"{server.url}/view?filename=seen.bin&subfolder=view&type=input"
    async with server.session.get(url, headers={"Range": "bytes=2-4"}) as response:
        assert (response.status, await response.read()) == (206, b"234")


@pytest.mark.parametrize(
    ("host", "origin", "status", "in_the_sandbox"),
    [
        ("localhost:1", "http://localhost:1", 200, 200),
        ("localhost:1", "http://localhost:2", 403, 403),
        ("localhost", "http://localhost:1", 200, 403),
        ("localhost:1", "http://127.0.0.1:1", 403, 403),
        ("127.0.0.1:1", "http://evil.example", 403, 403),
        ("127.0.0.1:1", None, 200, 200),
        ("evil.example", "http://evil.example", 200, 403),
    ],
)
async def test_a_foreign_origin_is_refused_where_the_host_is_this_machine(
    server: Server, host: str, origin: str | None, status: int, in_the_sandbox: int
) -> None:
    """The sandbox is stricter than ComfyUI: it has no users whose pages that could break."""
    headers = {"Host": host} | ({"Origin": origin} if origin else {})
    async with server.session.get(server.url + "/queue", headers=headers) as response:
        assert response.status == (in_the_sandbox if server.kind == "sandbox" else status)


@pytest.mark.parametrize(
    "path", ["/queue", "/prompt", "/history", "/system_stats", "/features", "/object_info/SaveImage"]
)
async def test_every_route_exists_twice(server: Server, path: str) -> None:
    assert set(await server.get(path)) == set(await server.get(f"/api{path}"))


@pytest.mark.parametrize("name", ["EmptyImage", "LoadImage", "ImageScale", "ImageBlend", "SaveImage"])
async def test_a_node_is_described(server: Server, name: str) -> None:
    info = (await server.get(f"/object_info/{name}"))[name]

    assert {"input", "input_order", "output", "output_name", "display_name", "category", "output_node"} <= set(info)
    assert info["output_node"] is (name == "SaveImage")
    assert await server.get("/object_info/NoSuchNode") == {}


async def test_secrets_are_not_kept(server: Server) -> None:
    extra = {"api_key_comfy_org": "very-secret"}
    prompt_id = await server.queue(inverted_image(color=50), extra_data=extra)

    assert "very-secret" not in str(await server.history(prompt_id))


async def test_the_page_itself_is_served(server: Server) -> None:
    async with server.session.get(server.url + "/", timeout=aiohttp.ClientTimeout(total=10)) as response:
        text = await response.text()

    assert "<div id=" in text
    assert "/assets/" in text
