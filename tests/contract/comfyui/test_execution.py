"""What a ComfyUI says while it runs a prompt, and what it keeps."""

import json
from typing import Any

import pytest
from PIL import Image

from tests.contract.comfyui.conftest import Server
from tests.support.page import Page, opened_page
from tests.support.prompts import inverted_image
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXTRA = {"extra_pnginfo": {"workflow": {"id": "598ca6f2-0000-4000-8000-000000000000", "nodes": []}}}


async def run(server: Server, page: Page, prompt: dict[str, Any], **more: Any) -> tuple[str, list[str]]:
    """The prompt's id, and its messages as ``type node-or-state`` in order."""
    prompt_id = await server.queue(prompt, client_id=page.sid, **more)
    await page.heard_end(prompt_id)
    return prompt_id, [said for message in page.of(prompt_id) if (said := summary(message))]


def summary(message: dict[str, Any]) -> str:
    data = message["data"]
    match message["type"]:
        case "progress_state":
            newest = list(data["nodes"].values())[-1]
            return f"state {newest['node_id']} {newest['state']}"
        case "executing":
            return f"executing {data['node']}"
        case "executed":
            return f"executed {data['node']}"
        case "execution_cached":
            return f"cached {sorted(data['nodes'])}"
        case kind:
            return str(kind)


def without_repeats(story: list[str]) -> list[str]:
    return [said for at, said in enumerate(story) if at == 0 or story[at - 1] != said]


async def test_the_story_of_a_success(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        _, story = await run(server, page, inverted_image(color=11, prefix="story"))

    assert without_repeats(story) == [
        "execution_start",
        "cached []",
        *("state 1 running", "executing 1", "state 1 finished"),
        *("state 2 running", "executing 2", "state 2 finished"),
        *("state 3 running", "executing 3", "executed 3", "state 3 finished"),
        "execution_success",
        "executing None",
    ]


async def test_status_counts_up_and_down_and_comes_between_success_and_end(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        await run(server, page, inverted_image(color=12))
        kinds = [message["type"] for message in page.messages]
        counts = [m["data"]["status"]["exec_info"]["queue_remaining"] for m in page.messages if m["type"] == "status"]

    assert counts == [0, 1, 1, 0]
    assert kinds[-3:] == ["execution_success", "status", "executing"]


async def test_what_did_not_change_is_cached_and_its_files_are_shown_again(server: Server) -> None:
    prompt = inverted_image(color=13, prefix="cached")
    async with opened_page(server.session, server.url) as page:
        first, _ = await run(server, page, prompt)
        second, story = await run(server, page, prompt)
    outputs = [(await server.history(prompt_id))["outputs"] for prompt_id in (first, second)]

    assert story == [
        "execution_start",
        "cached ['1', '2', '3']",
        "executed 3",
        "state 3 finished",
        "execution_success",
        "executing None",
    ]
    assert outputs[0] == outputs[1]


async def test_a_prompt_after_free_computes_everything_again(server: Server) -> None:
    prompt = inverted_image(color=14, prefix="freed")
    async with opened_page(server.session, server.url) as page:
        await run(server, page, prompt)

        await server.post("/free", {"free_memory": True})
        stories = [(await run(server, page, prompt))[1] for _ in range(2)]

    # ComfyUI looks at the wish before the next prompt, or after it when that came at once (main.py, prompt_worker)
    assert ["execution_start", "cached []"] in [story[:2] for story in stories]


async def test_the_history_entry(server: Server) -> None:
    prompt = inverted_image(color=14, prefix="folder/entry")
    prompt_id = await server.queue(prompt, extra_data=EXTRA)
    entry = await server.history(prompt_id)
    number, kept_id, kept_prompt, extra, outputs = entry["prompt"]

    assert isinstance(number, int)
    assert (kept_id, kept_prompt, outputs) == (prompt_id, prompt, ["3"])
    assert extra["extra_pnginfo"] == EXTRA["extra_pnginfo"]
    assert entry["outputs"] == {
        "3": {"images": [{"filename": "entry_00001_.png", "subfolder": "folder", "type": "output"}]}
    }
    assert entry["meta"] == {"3": {"node_id": "3", "display_node": "3", "parent_node": None, "real_node_id": "3"}}
    assert entry["status"]["completed"]
    assert [kind for kind, _ in entry["status"]["messages"]] == [
        "execution_start",
        "execution_cached",
        "execution_success",
    ]


async def test_a_running_prompt_can_be_stopped_and_others_wait_in_the_queue(server: Server) -> None:
    slow = inverted_image(color=15, size=2048)
    for node in range(10, 40):
        source = str(node - 1) if node > 10 else "2"
        size = 2000 + node
        inputs = {"image": [source, 0], "upscale_method": "lanczos", "width": size, "height": size, "crop": "disabled"}
        slow[str(node)] = {"class_type": "ImageScale", "inputs": inputs}
    slow["3"]["inputs"]["images"] = ["39", 0]
    async with opened_page(server.session, server.url) as page:
        running = await server.queue(slow, client_id=page.sid)
        waiting = await server.queue(inverted_image(color=16), client_id=page.sid)
        await page.heard("executing", running)
        queue = await server.get("/queue")
        await server.post("/queue", {"delete": [waiting, "unknown"]})
        other, _ = await server.post("/interrupt", {"prompt_id": waiting})
        status, _ = await server.post("/interrupt", {"prompt_id": running})
        interrupted = await page.heard("execution_interrupted", running)
        await page.heard_end(running)
        entry = await server.history(running)

    assert [item[1] for item in queue["queue_running"]] == [running]
    assert [item[1] for item in queue["queue_pending"]] == [waiting]
    assert all(len(item) == 5 for item in queue["queue_running"] + queue["queue_pending"])
    assert (other, status) == (200, 200)
    assert set(interrupted) == {"prompt_id", "node_id", "node_type", "executed", "timestamp"}
    assert (entry["status"]["status_str"], entry["status"]["completed"]) == ("error", False)
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert await server.get(f"/history/{waiting}") == {}


async def test_an_error_names_its_node(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        prompt_id, story = await run(server, page, inverted_image(color=17, prefix="../outside"))
        error = page.said("execution_error", prompt_id)[0]
    entry = await server.history(prompt_id)

    assert story[-3:] == ["executing 3", "execution_error", "executing None"]
    assert (error["node_id"], error["node_type"]) == ("3", "SaveImage")
    assert "outside the output folder" in error["exception_message"]
    assert {"exception_type", "traceback", "executed", "current_inputs", "current_outputs", "timestamp"} < set(error)
    assert entry["status"]["messages"][-1][0] == "execution_error"


async def test_a_saved_png_brings_prompt_and_workflow_along(server: Server) -> None:
    prompt = inverted_image(color=18, prefix="meta")
    await server.history(await server.queue(prompt, extra_data=EXTRA))
    info = Image.open(server.data / "output" / "meta_00001_.png").info

    assert json.loads(info["prompt"]) == prompt
    assert json.loads(info["workflow"]) == EXTRA["extra_pnginfo"]["workflow"]


async def test_numbers_go_on_in_each_folder_whatever_the_extension(server: Server) -> None:
    folder = server.data / "output" / "numbers"
    folder.mkdir(parents=True)
    (folder / "n_00007_.flac").touch()
    (folder / "n_other_00099_.png").touch()
    entry = await server.history(await server.queue(inverted_image(color=19, prefix="numbers/n", batch=2)))

    assert [item["filename"] for item in entry["outputs"]["3"]["images"]] == ["n_00008_.png", "n_00009_.png"]


async def test_a_page_keeps_its_id_and_is_told_the_servers_features(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        flags = await page_flags(page)
        sid = page.sid
    async with opened_page(server.session, server.url, sid) as again:
        kept = again.sid

    assert len(sid) == 32
    assert kept == sid
    assert flags["supports_preview_metadata"] is True
    assert flags == await server.get("/features")


async def page_flags(page: Page) -> dict[str, Any]:
    async def flags() -> Any:
        return next((message["data"] for message in page.messages if message["type"] == "feature_flags"), None)

    found: dict[str, Any] = await until(flags)
    return found


async def test_a_prompt_without_a_client_is_run_all_the_same(server: Server) -> None:
    entry = await server.history(await server.queue(inverted_image(color=20)))

    assert entry["status"]["status_str"] == "success"


async def test_the_jobs_api_lists_what_ran(server: Server) -> None:
    async with server.session.get(server.url + "/api/jobs") as response:
        if response.status == 404:
            pytest.skip("this ComfyUI has no /api/jobs")
    prompt_id = await server.queue(inverted_image(color=21), extra_data=EXTRA)
    await server.history(prompt_id)
    listed = await server.get("/api/jobs?status=completed&limit=1&offset=0")
    detail = await server.get(f"/api/jobs/{prompt_id}")
    refused, error = await get_status(server, "/api/jobs?status=done")
    unknown, _ = await get_status(server, "/api/jobs/unknown")
    (job,) = listed["jobs"]

    assert set(job) - {"previewable_outputs_count"} == {  # which 0.8.0 does not have
        *("id", "status", "priority", "create_time", "execution_start_time", "execution_end_time"),
        *("outputs_count", "preview_output", "workflow_id"),
    }
    assert (job["id"], job["status"], job["outputs_count"]) == (prompt_id, "completed", 1)
    assert (job["preview_output"]["nodeId"], job["preview_output"]["mediaType"]) == ("3", "images")
    assert listed["pagination"]["limit"] == 1
    assert set(detail) - set(job) == {"outputs", "execution_status", "workflow"}
    assert (refused, unknown) == (400, 404)
    assert error["error"].startswith("Invalid status value(s): done")


async def get_status(server: Server, path: str) -> tuple[int, Any]:
    async with server.session.get(server.url + path) as response:
        return response.status, await response.json()
