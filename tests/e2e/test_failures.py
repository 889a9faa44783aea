"""What breaks, and what the person sees: nothing lost, nothing hung, nothing paid that was not asked for."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from sandbox.endpoint.server import running_endpoint
from sandbox.endpoint.service import Options
from tests.support.comfyui import comfyui_process
from tests.support.page import opened_page
from tests.support.ports import free_port
from tests.support.prompts import inverted_image, slow_image
from tests.support.stack import Stack, running_stack, start_proxy
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def set_faults(stack: Stack, **points: int) -> None:
    url = f"{stack.endpoint_url}/sandbox/sandbox/faults"
    async with stack.session.post(url, json=points, headers={"Authorization": stack.endpoint_key}) as response:
        assert response.status == 200


async def remote_status(stack: Stack, prompt_id: str) -> str:
    runpod_id = (await stack.job(prompt_id))["runpod_id"]
    url = f"{stack.endpoint_url}/sandbox/status/{runpod_id}"
    async with stack.session.get(url, headers={"Authorization": stack.endpoint_key}) as response:
        return str((await response.json())["status"])


async def test_a_real_progress_with_previews_is_shown(stack: Stack) -> None:
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(slow_image(1, color=1), client_id=page.sid)
        await page.heard_end(prompt_id)
        values = [data["value"] for data in page.said("progress", prompt_id)]

    assert values == sorted(values)
    assert values[-1] == 10
    assert len(values) > 3
    assert page.previews
    assert {(frame.node_id, frame.prompt_id) for frame in page.previews} == {("2", prompt_id)}


async def test_stop_stops_the_gpu_long_before_the_prompt_would_end(stack: Stack) -> None:
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(slow_image(60, color=2), client_id=page.sid)
        await page.heard("progress", prompt_id)
        await stack.post("/api/interrupt", {"prompt_id": prompt_id})
        interrupted = await page.heard("execution_interrupted", prompt_id, 30)
        await page.heard_end(prompt_id, 30)
    entry = await stack.history(prompt_id)
    following = await stack.queue_prompt(inverted_image(color=3, prefix="following"))
    await stack.history(following, 30)

    assert interrupted["node_id"] == "2"
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"
    assert await remote_status(stack, prompt_id) == "CANCELLED"
    assert (await stack.job(prompt_id))["state"] == "cancelled"


async def test_a_prompt_deleted_while_it_waits_leaves_no_trace(stack: Stack) -> None:
    running = await stack.queue_prompt(slow_image(30, color=4))
    waiting = await stack.queue_prompt(inverted_image(color=5))
    await until(lambda: is_running(stack, running))
    await stack.post("/api/interrupt", {"prompt_id": waiting})
    interrupted = await stack.get("/queue")
    await stack.post("/api/queue", {"delete": [waiting]})
    deleted = await stack.get("/queue")
    count = (await stack.get("/prompt"))["exec_info"]["queue_remaining"]

    async def confirmed() -> bool:
        return not await stack.job(waiting)

    await until(confirmed)
    await stack.post("/api/interrupt", {})
    await stack.history(running)

    assert [item[1] for item in interrupted["queue_pending"]] == [waiting]
    assert deleted["queue_pending"] == []
    assert count == 1
    assert waiting not in await stack.get("/history")


async def is_running(stack: Stack, prompt_id: str) -> bool:
    return prompt_id in [item[1] for item in (await stack.get("/queue"))["queue_running"]]


async def test_a_failing_node_is_told_with_its_message(stack: Stack) -> None:
    prompt = inverted_image(color=6)
    prompt["2"] = {"class_type": "SandboxFail", "inputs": {"image": ["1", 0], "message": "it went wrong"}}
    async with opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(prompt, client_id=page.sid)
        error = await page.heard("execution_error", prompt_id)
        await page.heard_end(prompt_id)

    assert (error["node_id"], error["node_type"]) == ("2", "SandboxFail")
    assert "it went wrong" in error["exception_message"]
    assert error["traceback"]


@pytest.mark.parametrize("faults", [{"run_429": 2}, {"stream_500": 3}, {"status_500": 3}, {"done_500": 1}])
async def test_passing_trouble_at_runpod_delays_but_loses_nothing(stack: Stack, faults: dict[str, int]) -> None:
    await set_faults(stack, **faults)
    prompt_id = await stack.queue_prompt(inverted_image(color=len(str(faults)), prefix="trouble"))

    assert (await stack.history(prompt_id))["status"]["status_str"] == "success"


@pytest.mark.parametrize("fault", ["run_lost", "run_502", "run_503"])
async def test_an_uncertain_submission_is_never_repeated_by_itself(stack: Stack, fault: str) -> None:
    await set_faults(stack, **{fault: 1})
    prompt_id = await stack.queue_prompt(inverted_image(color=20, prefix="uncertain"))
    entry = await stack.history(prompt_id)

    assert "may have been submitted" in entry["status"]["messages"][-1][1]["exception_message"]
    assert (await stack.job(prompt_id))["state"] == "failed"


async def test_chunks_that_were_lost_on_the_way_are_read_again(stack: Stack) -> None:
    await set_faults(stack, stream_lost=1)
    prompt_id = await stack.queue_prompt(inverted_image(color=21, prefix="lost"))
    entry = await stack.history(prompt_id)

    assert entry["status"]["status_str"] == "success"
    assert (stack.output / entry["outputs"]["3"]["images"][0]["filename"]).exists()


async def test_a_job_goes_on_when_the_proxy_is_killed_and_started_again(stack: Stack) -> None:
    """The endpoint and ComfyUI of the first proxy live on, as RunPod would."""
    sid = "5" * 32
    async with opened_page(stack.session, stack.url, sid) as page:
        prompt_id = await stack.queue_prompt(slow_image(3, prefix="survivor", color=22), client_id=sid)
        await page.heard("progress", prompt_id)
        (comfyui,) = stack.comfyuis_of_workers()
        comfyui.suspend()  # the run must not end before the second proxy is there, however long its start takes
        await stack.kill()
    stack.environ |= {
        "RUNPOD_API_KEY": stack.endpoint_key,
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_ENDPOINT_BASE_URL": stack.endpoint_url,
    }
    stack.process = await start_proxy(stack.environ, stack.home)
    await until(lambda: listens(stack))
    async with opened_page(stack.session, stack.url, sid) as page:
        shown = await page.heard("progress_state", prompt_id)
        comfyui.resume()
        await page.heard_end(prompt_id)
        kinds = [message["type"] for message in page.of(prompt_id)]
        entry = await stack.history(prompt_id)
        again = await stack.queue_prompt(inverted_image(color=23, prefix="after"), client_id=page.sid)
        await page.heard_end(again)

    assert kinds[0] == "execution_start"
    assert shown["nodes"]["2"]["state"] == "running"
    assert kinds[-2:] == ["execution_success", "executing"]
    assert entry["status"]["status_str"] == "success"
    assert (stack.output / "survivor_00001_.png").exists()


async def listens(stack: Stack) -> bool:
    try:
        await stack.get("/runpod/api/status")
    except (aiohttp.ClientError, OSError):
        return False
    return True


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"RUNPOD_ENDPOINT_ID": "unknown"}, "RUNPOD_ENDPOINT_ID"),
        ({"RUNPOD_API_KEY": "wrong"}, "RUNPOD_API_KEY"),
    ],
)
async def test_a_wrong_setting_is_named_on_the_page(tmp_path: Path, environment: dict[str, str], names: str) -> None:
    async with running_endpoint(Options(api_key="right")) as endpoint:
        settings = {
            "RUNPOD_API_KEY": "right",
            "RUNPOD_ENDPOINT_ID": "sandbox",
            "RUNPOD_ENDPOINT_BASE_URL": endpoint.url,
            **environment,
        }
        async with running_stack(tmp_path, **settings) as stack, opened_page(stack.session, stack.url) as page:
            prompt_id = await stack.queue_prompt(inverted_image(), client_id=page.sid)
            error = await page.heard("execution_error", prompt_id)

    assert names in error["exception_message"]
    assert error["node_id"] == ""


async def test_while_the_endpoint_is_down_the_prompt_waits_and_the_page_says_so(tmp_path: Path) -> None:
    settings = {
        "RUNPOD_API_KEY": "k",
        "RUNPOD_ENDPOINT_ID": "sandbox",
        "RUNPOD_ENDPOINT_BASE_URL": f"http://127.0.0.1:{free_port()}/v2",
    }
    async with running_stack(tmp_path, **settings) as stack, opened_page(stack.session, stack.url) as page:
        prompt_id = await stack.queue_prompt(inverted_image(), client_id=page.sid)

        async def noticed() -> bool:
            return any(message["type"] == "runpod.notice" for message in page.messages)

        await until(noticed)
        state = (await stack.job(prompt_id))["state"]
        await stack.post("/api/queue", {"clear": True})
        status = await stack.get("/runpod/api/status")

    assert state == "pending"
    assert status["jobs"]["cancelled"] == 1
    assert status["jobs"]["pending"] == 0


async def test_while_comfyui_is_down_a_prompt_is_refused_in_its_shape(tmp_path: Path) -> None:
    async with running_stack(tmp_path) as stack:
        await end_comfyui(stack)
        status, body = await stack.post("/api/prompt", {"prompt": slow_image(1)})
        async with stack.session.get(stack.url, headers={"Sec-Fetch-Mode": "navigate"}) as page:
            text = await page.text()

    assert (status, body["error"]["type"]) == (503, "comfyui_unavailable")
    assert page.status == 503
    assert "ComfyUI does not answer" in text


async def test_when_comfyui_was_restarted_its_temp_files_are_marked_and_the_rest_is_kept(tmp_path: Path) -> None:
    prompt = inverted_image(prefix="kept")
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}
    data, port = tmp_path / "comfyui", free_port()
    data.mkdir()
    async with AsyncExitStack() as first, AsyncExitStack() as exits:
        url = await first.enter_async_context(comfyui_process(data=data, port=port))
        stack = await exits.enter_async_context(running_stack(tmp_path, COMFYUI_URL=url))
        page = await exits.enter_async_context(opened_page(stack.session, stack.url))
        prompt_id = await stack.queue_prompt(prompt)
        before = (await stack.history(prompt_id))["outputs"]
        await first.aclose()
        await exits.enter_async_context(comfyui_process(data=data, port=port))

        async def marked() -> bool:
            return any(file.get("gone") for file in (await stack.job(prompt_id))["files"])

        await until(marked)
        after = (await stack.history(prompt_id))["outputs"]
        jobs = (await stack.get("/api/jobs?status=completed&limit=9&offset=0"))["jobs"]
        open_still = not page.socket.closed

    assert [item["type"] for item in before["4"]["images"]] == ["temp"]
    assert after == {**before, "4": {"images": []}}
    assert jobs[0]["outputs_count"] == 1
    assert open_still


async def end_comfyui(stack: Stack) -> None:
    """Kill the local ComfyUI that the proxy started."""
    url = stack.comfyui_url.rpartition(":")[2]
    local = next(child for child in stack.children() if url in child.cmdline())
    local.kill()
    await asyncio.to_thread(local.wait, 10)
