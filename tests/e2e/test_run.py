"""A prompt's whole way: posted to the proxy, executed on the endpoint, back in the local ComfyUI."""

import asyncio
import io
import json
import uuid
from typing import Any

import aiohttp
import pytest
from PIL import Image

from tests.support.files import files_with
from tests.support.page import opened_page
from tests.support.prompts import Prompt, inverted_file, inverted_image
from tests.support.stack import Stack
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORKFLOW = {"id": "598ca6f2-0000-4000-8000-000000000000", "nodes": [], "links": [], "version": 0.4}


def close(image: Image.Image, color: tuple[int, int, int]) -> bool:
    """Equal but for rounding: ComfyUI computes in floats and cuts off."""
    pixel = image.convert("RGB").getpixel((0, 0))
    return isinstance(pixel, tuple) and all(abs(one - two) <= 1 for one, two in zip(pixel, color, strict=True))


async def test_the_picture_lands_in_the_output_folder_with_its_workflow(stack: Stack) -> None:
    extra = {"extra_pnginfo": {"workflow": WORKFLOW}}
    prompt_id = await stack.queue_prompt(inverted_image(color=0x336699, prefix="way/there"), extra_data=extra)
    entry = await stack.history(prompt_id)
    (item,) = entry["outputs"]["3"]["images"]
    image = Image.open(stack.output / item["subfolder"] / item["filename"])

    assert item == {"filename": "there_00001_.png", "subfolder": "way", "type": "output"}
    assert close(image, (0xCC, 0x99, 0x66))
    assert json.loads(image.info["workflow"]) == WORKFLOW
    assert entry["status"]["status_str"] == "success"
    assert (await stack.job(prompt_id))["runpod_id"]


async def test_what_it_took_is_known_a_moment_later(stack: Stack) -> None:
    prompt_id = await stack.queue_prompt(inverted_image(color=0x010101))
    await stack.history(prompt_id)

    async def known() -> bool:
        job = await stack.job(prompt_id)
        return job["queued_s"] is not None and job["executed_s"] is not None

    assert await until(known, 10)


async def test_nothing_ran_on_the_local_comfyui(stack: Stack) -> None:
    prompt_id = await stack.queue_prompt(inverted_image(color=1))
    await stack.history(prompt_id)
    async with stack.session.get(stack.comfyui_url + "/history") as response:
        local = await response.json()

    assert prompt_id not in local


async def test_the_browser_is_told_what_a_local_run_would_tell(stack: Stack) -> None:
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(inverted_image(color=2), client_id=page.sid)
        await page.heard_end(prompt_id)
        kinds = [message["type"] for message in page.messages]
        nodes = [data["node"] for data in page.said("executing", prompt_id)]
        states = page.said("progress_state", prompt_id)
        counts = [m["data"]["status"]["exec_info"]["queue_remaining"] for m in page.messages if m["type"] == "status"]

    assert nodes == ["1", "2", "3", None]
    assert kinds.index("execution_start") < kinds.index("execution_cached") < kinds.index("executed")
    assert kinds[-3:] == ["execution_success", "status", "executing"]
    assert {state["state"] for state in states[-1]["nodes"].values()} == {"finished"}
    assert set(states[-1]["nodes"]) == {"1", "2", "3"}
    assert counts[0] == 0
    assert 1 in counts
    assert counts[-1] == 0


async def test_a_second_run_of_the_same_graph_shows_the_same_file_as_a_local_one_would(stack: Stack) -> None:
    prompt = inverted_image(color=77, prefix="again")
    first = await stack.history(await stack.queue_prompt(prompt))
    second = await stack.history(await stack.queue_prompt(prompt))
    (stack.output / "again_00001_.png").unlink()
    third = await stack.history(await stack.queue_prompt(prompt))

    assert [kind for kind, _ in second["status"]["messages"]][1] == "execution_cached"
    assert second["outputs"] == first["outputs"] == third["outputs"]
    assert [path.name for path in stack.output.glob("again*")] == ["again_00001_.png"]


async def test_local_names_go_on_counting_and_nothing_is_overwritten(stack: Stack) -> None:
    folder = stack.output / "count"
    folder.mkdir(parents=True)
    (folder / "x_00041_.png").write_bytes(b"yesterday's")
    prompt_id = await stack.queue_prompt(inverted_image(color=3, prefix="count/x", batch=2))
    entry = await stack.history(prompt_id)

    assert [item["filename"] for item in entry["outputs"]["3"]["images"]] == ["x_00042_.png", "x_00043_.png"]
    assert (folder / "x_00041_.png").read_bytes() == b"yesterday's"


async def test_an_input_image_travels(stack: Stack) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(buffer, "PNG")
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("image", buffer.getvalue(), filename="rötlich 1.png", content_type="image/png")
    form.add_field("subfolder", "sub")
    async with stack.session.post(stack.url + "/api/upload/image", data=form) as response:
        uploaded = await response.json()
    prompt_id = await stack.queue_prompt(inverted_file(f"{uploaded['subfolder']}/{uploaded['name']}"))
    (item,) = (await stack.history(prompt_id))["outputs"]["3"]["images"]

    assert Image.open(stack.output / item["filename"]).convert("RGB").getpixel((0, 0)) == (0, 255, 255)


async def test_twenty_prompts_at_once_all_finish_each_with_its_own_file(stack: Stack) -> None:
    prompts = [inverted_image(color=100 + 3 * n, prefix="twenty") for n in range(20)]
    ids = await asyncio.gather(*(stack.queue_prompt(prompt) for prompt in prompts))
    entries = await asyncio.gather(*(stack.history(prompt_id, 120) for prompt_id in ids))
    names = [entry["outputs"]["3"]["images"][0]["filename"] for entry in entries]
    images = [Image.open(stack.output / name) for name in names]

    assert len(set(names)) == 20
    assert all(close(image, (0xFF, 0xFF, 0xFF - 100 - 3 * n)) for n, image in enumerate(images))


async def test_queue_history_and_jobs_show_the_prompt(stack: Stack) -> None:
    extra = {"extra_pnginfo": {"workflow": WORKFLOW}}
    prompt_id = await stack.queue_prompt(inverted_image(color=4), extra_data=extra)
    queue = await stack.get("/api/queue")
    queued = [item for item in queue["queue_running"] + queue["queue_pending"] if item[1] == prompt_id]
    await stack.history(prompt_id)
    history = await stack.get("/api/history?max_items=64")
    numbers = [item["prompt"][0] for item in history.values()]

    assert len(queued[0]) == 5
    assert queued[0][4] == ["3"]
    assert list(history)[-1] == prompt_id
    assert numbers == sorted(set(numbers))
    assert (await stack.get("/prompt"))["exec_info"]["queue_remaining"] == 0
    async with stack.session.get(stack.url + "/api/jobs?status=completed&limit=1&offset=0") as response:
        if response.status == 404:
            return  # this ComfyUI has no jobs API, so its frontend does not ask for it
        jobs = await response.json()
    assert jobs["jobs"][0]["id"] == prompt_id
    assert jobs["jobs"][0]["preview_output"]["nodeId"] == "3"
    assert jobs["pagination"]["has_more"]


async def test_history_can_be_deleted(stack: Stack) -> None:
    prompt_id = await stack.queue_prompt(inverted_image(color=5, prefix="kept"))
    entry = await stack.history(prompt_id)
    status, _ = await stack.post("/api/history", {"delete": [prompt_id]})

    assert status == 200
    assert prompt_id not in await stack.get("/api/history")
    assert (stack.output / entry["outputs"]["3"]["images"][0]["filename"]).exists()


async def test_only_the_chosen_outputs_run(stack: Stack) -> None:
    prompt = inverted_image(color=6, prefix="chosen")
    prompt["4"] = {"class_type": "SaveImage", "inputs": {"filename_prefix": "other", "images": ["1", 0]}}
    prompt_id = await stack.queue_prompt(prompt, partial_execution_targets=["4"])

    assert set((await stack.history(prompt_id))["outputs"]) == {"4"}


def scaled(method: str = "lanczos", **more: object) -> Prompt:
    """EmptyImage (1) → ImageScale (2) → SaveImage (3)."""
    prompt = inverted_image(color=7, prefix="scaled")
    inputs = {"image": ["1", 0], "upscale_method": method, "width": 8, "height": 8, "crop": "disabled", **more}
    return {**prompt, "2": {"class_type": "ImageScale", "inputs": inputs}}


@pytest.mark.parametrize(
    "prompt",
    [
        scaled("bogus"),
        scaled(width=-1),
        scaled(height="tall"),
        scaled(image=["1"]),
        {**scaled(), "1": {"class_type": "EmptyImage", "inputs": {"width": 8}}},
        inverted_file("absent.png"),
    ],
)
async def test_a_prompt_that_cannot_run_is_refused_as_comfyui_refuses_it_and_costs_nothing(
    stack: Stack, prompt: Prompt
) -> None:
    before = await stack.jobs_at_endpoint()
    status, ours = await stack.post("/api/prompt", {"prompt": prompt})
    async with stack.session.post(stack.comfyui_url + "/prompt", json={"prompt": prompt}) as response:
        theirs = await response.json()

    assert (status, response.status) == (400, 400)
    assert ours["error"] == theirs["error"]
    assert without_traces(ours["node_errors"]) == without_traces(theirs["node_errors"])
    assert await stack.jobs_at_endpoint() == before


def without_traces(node_errors: dict[str, Any]) -> dict[str, Any]:
    """Type, message and details of every error, in no order (ComfyUI goes through a set), and what depends on it."""
    return {
        node_id: {**entry, "errors": sorted((one["type"], one["message"], one["details"]) for one in entry["errors"])}
        for node_id, entry in node_errors.items()
    }


async def test_what_can_run_runs_and_what_cannot_is_told(stack: Stack) -> None:
    prompt = {**scaled("bogus"), "4": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}
    prompt["4"]["inputs"]["filename_prefix"] = "half"
    _, body = await stack.post("/api/prompt", {"prompt": prompt})
    entry = await stack.history(body["prompt_id"])

    assert list(body["node_errors"]) == ["2"]
    assert body["node_errors"]["2"]["dependent_outputs"] == ["3"]
    assert set(entry["outputs"]) == {"4"}
    assert entry["prompt"][4] == ["4"]


async def test_a_prompt_that_only_the_worker_can_judge_fails_on_its_node(stack: Stack) -> None:
    prompt = inverted_image(color=7)
    prompt["2"] = {"class_type": "SandboxSlow", "inputs": {"image": ["1", 0], "steps": 0, "seconds_per_step": 0.1}}
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(prompt, client_id=page.sid)
        error = await page.heard("execution_error", prompt_id)
        await page.heard_end(prompt_id)

    assert error["node_id"] == "2"
    assert error["node_type"] == "SandboxSlow"
    assert "smaller than min" in error["exception_message"]
    assert (await stack.history(prompt_id))["status"]["status_str"] == "error"
    assert (await stack.job(prompt_id))["state"] == "failed"


async def test_a_chosen_prompt_id_is_kept(stack: Stack) -> None:
    wanted = str(uuid.uuid4())
    given = await stack.queue_prompt(inverted_image(color=8), prompt_id=wanted)
    await stack.history(wanted)

    assert given == wanted


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "invalid_json"),
        (b"{}", "no_prompt"),
        (b'{"prompt": {"1": {"class_type": "EmptyImage", "inputs": {}}}}', "prompt_no_outputs"),
        (b'{"prompt": {"1": {"inputs": {}}}}', "missing_node_type"),
    ],
)
async def test_rubbish_is_refused_and_costs_nothing(stack: Stack, body: bytes, kind: str) -> None:
    before = await stack.jobs_at_endpoint()
    async with stack.session.post(stack.url + "/api/prompt", data=body) as response:
        answer = await response.json()

    assert response.status == 400
    assert answer["error"]["type"] == kind
    assert await stack.jobs_at_endpoint() == before


@pytest.mark.parametrize("path", ["/prompt", "/api/prompt", "/%70rompt", "/api/prompt?x=1"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_a_foreign_page_cannot_spend_money(stack: Stack, path: str, headers: dict[str, str]) -> None:
    before = sum((await stack.get("/runpod/api/status"))["jobs"].values())
    status, _ = await stack.post(path, {"prompt": inverted_image()}, **headers)

    assert status == 403
    assert sum((await stack.get("/runpod/api/status"))["jobs"].values()) == before


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
async def test_a_foreign_page_cannot_listen(stack: Stack, headers: dict[str, str]) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await stack.session.ws_connect(stack.url + "/ws", headers=headers)


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "sub/../../secret.png"])
async def test_no_file_outside_comfyuis_folders_leaves_the_machine(stack: Stack, name: str) -> None:
    status, body = await stack.post("/api/prompt", {"prompt": inverted_file(name)})

    assert status == 400
    assert list(body["node_errors"]) == ["1"]


async def test_the_answer_comes_at_once_while_jobs_run(stack: Stack) -> None:
    """Here only that no answer waits for a job; how fast it is, the benchmark says."""
    ids = [await stack.queue_prompt(inverted_image(color=200 + n, size=256)) for n in range(5)]
    running = await stack.get("/api/queue")
    await asyncio.gather(*(stack.history(prompt_id) for prompt_id in ids))

    assert running["queue_running"] + running["queue_pending"]


async def test_a_secret_is_neither_stored_nor_shown_nor_sent(stack: Stack) -> None:
    extra = {"api_key_comfy_org": "comfyui-very-secret", "auth_token_comfy_org": "comfyui-very-secret"}
    prompt_id = await stack.queue_prompt(inverted_image(color=9, prefix="secret"), extra_data=extra)
    shown = json.dumps([await stack.get("/queue"), await stack.history(prompt_id), await stack.get("/history")])
    kept = await asyncio.to_thread(files_with, stack.home, b"comfyui-very-secret")

    assert "comfyui-very-secret" not in shown
    assert kept == []
