"""The sandbox's own nodes: in the sandbox's ComfyUI, and in a real one from tests/support/comfyui_nodes."""

from pathlib import Path
from typing import Any

import pytest

from tests.contract.comfyui.conftest import Server
from tests.contract.comfyui.test_execution import run, without_repeats
from tests.support.page import opened_page
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def image(color: int) -> dict[str, Any]:
    inputs = {"width": 16, "height": 16, "batch_size": 1, "color": color}
    return {"class_type": "EmptyImage", "inputs": inputs}


def expanded(color: int, message: str = "") -> dict[str, Any]:
    inputs = {"image": ["1", 0], "steps": 2, "seconds_per_step": 0.01, "message": message}
    return {
        "1": image(color),
        "10": {"class_type": "SandboxExpand", "inputs": inputs},
        "11": {"class_type": "PreviewImage", "inputs": {"images": ["10", 0]}},
    }


async def test_a_node_that_becomes_several(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        prompt_id, _ = await run(server, page, expanded(1))
        executing = [(data["node"], data.get("display_node")) for data in page.said("executing", prompt_id)]
        states = page.said("progress_state", prompt_id)
        (inner, outer) = page.said("executed", prompt_id)
    entry = await server.history(prompt_id)
    inside = {name: states[-1]["nodes"]["10.0.0.2"][f"{name}_node_id"] for name in ("display", "parent", "real")}

    assert executing == [
        *(("1", "1"), ("10", "10"), ("10.0.0.1", "10"), ("10.0.0.2", "10"), ("10.0.0.3", "10"), ("11", "11")),
        (None, None),
    ]
    assert inside == {"display": "10", "parent": "10", "real": "10"}
    assert [node for node, state in states[-1]["nodes"].items() if state["state"] == "finished"] == [
        *("1", "10", "10.0.0.1", "10.0.0.2", "10.0.0.3", "11")
    ]
    assert (inner["node"], inner["display_node"], outer["node"]) == ("10.0.0.3", "10", "11")
    assert set(entry["outputs"]) == {"10.0.0.3", "11"}
    assert entry["meta"]["10.0.0.3"] == {
        "node_id": "10.0.0.3",
        "display_node": "10",
        "parent_node": "10",
        "real_node_id": "10",
    }


async def test_an_error_inside_is_the_posted_node_s(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        prompt_id, _ = await run(server, page, expanded(2, message="inside"))
        (error,) = page.said("execution_error", prompt_id)

    assert (error["node_id"], error["node_type"]) == ("10", "SandboxExpand")
    assert error["exception_message"] == "inside\n"
    assert sorted(error["executed"]) == ["1", "10.0.0.1", "10.0.0.2"]
    assert {"1", "10", "11"} <= set(error["current_outputs"])  # a real one may still hold inner nodes of before


async def test_what_became_several_is_cached_as_one(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        await run(server, page, expanded(3))
        again, story = await run(server, page, expanded(3))
    outputs = (await server.history(again))["outputs"]

    assert story == [
        *("execution_start", "cached ['1', '10', '11']", "executed 11", "state 11 finished"),
        *("execution_success", "executing None"),
    ]
    assert "11" in outputs


async def test_a_text_is_told_while_its_node_runs(server: Server) -> None:
    prompt = {
        "1": image(4),
        "2": {"class_type": "SandboxText", "inputs": {"image": ["1", 0], "text": "half way"}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    async with opened_page(server.session, server.url) as page:
        await run(server, page, prompt)
        kinds = [message["type"] for message in page.messages]
        at = kinds.index("text")

    assert page.messages[at]["data"] == {"node": "2", "text": "half way"}
    assert kinds[at - 1 : at + 2] == ["executing", "text", "progress_state"]


async def test_a_text_can_be_an_output(server: Server) -> None:
    prompt = {"1": {"class_type": "SandboxShowText", "inputs": {"text": "hällo"}}}
    prompt_id = await server.queue(prompt)

    assert (await server.history(prompt_id))["outputs"] == {"1": {"text": ["hällo"]}}


@pytest.mark.parametrize("folder", ["output", "input"])
async def test_a_node_may_write_a_file_and_say_nothing(server: Server, folder: str) -> None:
    inputs = {"text": "hällo", "folder": folder, "name": "sub/quiet.txt"}
    prompt_id = await server.queue({"1": {"class_type": "SandboxLeave", "inputs": inputs}})
    entry = await server.history(prompt_id)

    assert (entry["status"]["status_str"], entry["outputs"]) == ("success", {})
    assert (server.data / folder / "sub" / "quiet.txt").read_text(encoding="utf-8") == "hällo"


async def test_a_film_names_the_picture_beside_it_and_where_it_is(server: Server) -> None:
    prompt = {"1": {"class_type": "SandboxFilmWithPicture", "inputs": {"filename_prefix": "clips/v"}}}
    (item,) = (await server.history(await server.queue(prompt)))["outputs"]["1"]["gifs"]
    names = [f"v_00001{rest}" for rest in ("-audio.mp4", ".mp4", ".png")]

    assert sorted(path.name for path in (server.data / "output" / "clips").iterdir()) == names
    assert (item["filename"], item["workflow"], item["subfolder"]) == (names[0], names[2], "clips")
    assert Path(item["fullpath"]).samefile(server.data / "output" / "clips" / names[0])


async def test_a_3d_preview_names_what_it_has_put_into_the_temp_folder(server: Server) -> None:
    prompt = {"1": {"class_type": "SandboxCloud", "inputs": {"name": "far"}}}
    outputs = (await server.history(await server.queue(prompt)))["outputs"]

    assert outputs == {"1": {"result": ["preview_far.ply", None, "temp/bg_far.png"]}}
    assert {path.name for path in (server.data / "temp" / "temp").iterdir()} >= {"preview_far.ply", "bg_far.png"}


async def test_a_node_may_queue_its_prompt_again(server: Server) -> None:
    again = {"class_type": "SandboxQueueAgain", "inputs": {"image": ["1", 0], "left": 2}}
    async with opened_page(server.session, server.url) as page:
        first = await server.queue({"1": image(6), "2": again}, client_id=page.sid)
        await server.history(first)
        await page.heard_status(0)
        history = list((await server.get("/history?max_items=3")).values())
        starts = [message["data"]["prompt_id"] for message in page.messages if message["type"] == "execution_start"]

    assert [entry["prompt"][1] for entry in history] == starts
    assert starts[0] == first
    assert [entry["prompt"][2]["2"]["inputs"]["left"] for entry in history] == [2, 1, 0]
    names = [entry["outputs"]["2"]["images"][0]["filename"] for entry in history]
    assert names == ["again_00001_.png", "again_00002_.png", "again_00003_.png"]


async def test_a_node_may_change_a_prompt_that_is_posted(server: Server) -> None:
    prompt = {"1": {"class_type": "SandboxOnPrompt", "inputs": {"number": 10}}}
    workflow = {"nodes": [{"id": 1, "widgets_values": [10]}]}
    async with opened_page(server.session, server.url) as page:
        extra_data = {"extra_pnginfo": {"workflow": workflow}}
        prompt_id = await server.queue(prompt, client_id=page.sid, extra_data=extra_data)
        entry = await server.history(prompt_id)
        await page.heard_status(0)
        kinds = [message["type"] for message in page.messages]
        (told,) = [message["data"] for message in page.messages if message["type"] == "sandbox-feedback"]

    assert told == {"node": "1", "number": 11}
    assert kinds.index("sandbox-feedback") < kinds.index("execution_start")
    assert entry["outputs"] == {"1": {"text": ["11"]}}
    assert entry["prompt"][2]["1"]["inputs"] == {"number": 11}
    assert entry["prompt"][3]["extra_pnginfo"]["workflow"]["nodes"] == [{"id": 1, "widgets_values": [11]}]


@pytest.mark.parametrize("message", ["not today", ""])
async def test_what_is_blocked_does_not_run_and_the_prompt_goes_on(server: Server, message: str) -> None:
    prompt = {
        "1": image(5),
        "2": {"class_type": "SandboxBlock", "inputs": {"image": ["1", 0], "message": message}},
        "3": {"class_type": "ImageInvert", "inputs": {"image": ["2", 0]}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    async with opened_page(server.session, server.url) as page:
        prompt_id, story = await run(server, page, prompt)
        errors = page.said("execution_error", prompt_id)
    entry = await server.history(prompt_id)

    assert [error["exception_message"] for error in errors] == [f"Execution Blocked: {message}"] * bool(message)
    assert all("timestamp" not in error and error["node_id"] == "3" for error in errors)
    assert without_repeats(story)[-4:] == ["executing 4", "state 4 finished", "execution_success", "executing None"]
    assert (entry["status"]["status_str"], entry["outputs"]) == ("success", {})
    assert len(entry["status"]["messages"]) == 3


async def test_a_prompt_of_nobody_is_half_heard_by_everybody(server: Server) -> None:
    """Also by a page that reads pictures with metadata: it gets them the old way."""
    prompt = {
        "1": image(6),
        "2": {"class_type": "SandboxSlow", "inputs": {"image": ["1", 0], "steps": 2, "seconds_per_step": 0.01}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    async with opened_page(server.session, server.url) as page:
        prompt_id = await server.queue(prompt)
        await server.history(prompt_id)
        await page.heard_status(0)
        kinds = {message["type"] for message in page.of(prompt_id)}

    assert kinds == {"progress_state", "progress"}
    assert [(frame.node_id, frame.prompt_id) for frame in page.previews] == [(None, None)] * 2


async def test_a_node_waits_until_its_route_is_answered(server: Server) -> None:
    prompt = {"7": {"class_type": "SandboxAsk", "inputs": {"question": "which?"}}}
    async with opened_page(server.session, server.url) as page:
        body = {"prompt": prompt, "client_id": page.sid}
        async with server.session.post(f"{server.url}/prompt", json=body) as queued:
            prompt_id = (await queued.json())["prompt_id"]

        async def asked() -> list[Any]:
            return [message["data"] for message in page.messages if message["type"] == "sandbox-ask"]

        (question,) = await until(asked)
        answer = {"node": "7", "answer": "the second"}
        async with server.session.post(f"{server.url}/api/sandbox/answer", json=answer) as answered:
            status = answered.status
        await page.heard_end(prompt_id)
    entry = await server.history(prompt_id)

    assert question == {"node": "7", "question": "which?"}
    assert status == 200
    assert entry["outputs"] == {"7": {"text": ["the second"]}}
