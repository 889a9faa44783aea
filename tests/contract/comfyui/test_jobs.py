"""The jobs API, on a ComfyUI that has one, and what is remembered between runs."""

from typing import Any

import pytest
import pytest_asyncio

from tests.contract.comfyui.conftest import Server
from tests.support.page import opened_page
from tests.support.prompts import inverted_image

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def asked(server: Server, path: str) -> tuple[int, Any]:
    async with server.session.get(server.url + path) as response:
        return response.status, await response.json() if response.status != 404 or response.content_length else None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def jobs(server: Server) -> list[str]:
    """Three prompts that have ended, the second in an error; the ids, oldest first."""
    async with server.session.get(server.url + "/api/jobs") as response:
        if response.status == 404:
            pytest.skip("this ComfyUI has no /api/jobs")
    prompts = [inverted_image(color=70), inverted_image(color=71, prefix="../x"), inverted_image(color=72)]
    extra = {"extra_pnginfo": {"workflow": {"id": "jobs-test"}}}
    ids = []
    for prompt in prompts:
        ids.append(await server.queue(prompt, extra_data=extra))
        await server.history(ids[-1])
    return ids


async def test_jobs_are_filtered_sorted_and_paged(server: Server, jobs: list[str]) -> None:
    mine = "/api/jobs?workflow_id=jobs-test"
    newest = await server.get(f"{mine}&limit=3")
    oldest = await server.get(f"{mine}&sort_order=asc&limit=2&offset=-5")
    failed = await server.get(f"{mine}&status=failed&limit=1")
    unlimited = await server.get("/api/jobs?workflow_id=nobody")
    by_duration = await server.get(f"{mine}&sort_by=execution_duration&sort_order=asc")
    durations = [job["execution_end_time"] - job["execution_start_time"] for job in by_duration["jobs"]]

    assert [job["id"] for job in newest["jobs"]] == jobs[::-1]
    assert oldest["pagination"]["offset"] == 0
    assert oldest["pagination"]["has_more"] is (oldest["pagination"]["total"] > 2)
    assert failed["jobs"][0]["id"] == jobs[1]
    assert unlimited == {"jobs": [], "pagination": {"offset": 0, "limit": None, "total": 0, "has_more": False}}
    assert durations == sorted(durations)


async def test_a_failed_job_has_its_error(server: Server, jobs: list[str]) -> None:
    job = await server.get(f"/api/jobs/{jobs[1]}")
    entry = await server.history(jobs[1])

    assert job["status"] == "failed"
    assert job["execution_error"] == entry["status"]["messages"][-1][1]
    assert job["execution_status"] == entry["status"]
    assert job["outputs"] == entry["outputs"] == {}
    assert job["workflow"]["extra_data"]["create_time"] == job["create_time"]
    assert "preview_output" not in job


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", "limit must be a positive integer"),
        ("limit=x", "limit must be an integer"),
        ("offset=x", "offset must be an integer"),
        ("sort_by=name", "sort_by must be 'created_at' or 'execution_duration'"),
        ("sort_order=up", "sort_order must be 'asc' or 'desc'"),
        ("status=y,x", "Invalid status value(s): y, x. Valid values: pending, in_progress, completed, failed"),
    ],
)
@pytest.mark.usefixtures("jobs")
async def test_a_question_that_makes_no_sense_is_refused(server: Server, query: str, error: str) -> None:
    status, answer = await asked(server, f"/api/jobs?{query}")

    assert status == 400
    assert answer["error"].removesuffix(", cancelled") == error  # a status that 0.8.0 does not have


@pytest.mark.usefixtures("jobs")
async def test_the_jobs_route_has_its_prefix_in_its_name(server: Server) -> None:
    assert (await asked(server, "/jobs"))[0] == 404


async def test_what_does_not_run_this_time_stays_cached(server: Server) -> None:
    prompt = inverted_image(color=73, prefix="stays")
    prompt["4"] = {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}}
    async with opened_page(server.session, server.url) as page:
        for targets in (None, ["4"], None):
            more = {} if targets is None else {"partial_execution_targets": targets}
            prompt_id = await server.queue(prompt, client_id=page.sid, **more)
            await page.heard_end(prompt_id)
        cached = page.said("execution_cached", prompt_id)[0]["nodes"]

    assert set(cached) == {"1", "2", "3", "4"}
    assert [path.name for path in (server.data / "output").glob("stays*")] == ["stays_00001_.png"]


async def test_a_changed_source_runs_what_hangs_on_it_and_an_error_says_what_ran(server: Server) -> None:
    good, bad = inverted_image(color=74), inverted_image(color=74, prefix="../x")
    async with opened_page(server.session, server.url) as page:
        await page.heard_end(await server.queue(good, client_id=page.sid))
        failed = await server.queue(bad, client_id=page.sid)
        await page.heard_end(failed)

    assert set(page.said("execution_cached", failed)[0]["nodes"]) == {"1", "2"}
    assert page.said("execution_error", failed)[0]["executed"] == []


async def test_the_console_is_shown_to_pages_that_want_it(server: Server) -> None:
    async with opened_page(server.session, server.url) as page:
        body = {"clientId": page.sid, "enabled": True}
        async with server.session.patch(f"{server.url}/internal/logs/subscribe", json=body) as response:
            assert response.status == 200
        prompt_id = await server.queue(inverted_image(color=75), client_id=page.sid)
        await page.heard_end(prompt_id)
        lines = [line for m in page.messages if m["type"] == "logs" for line in m["data"]["entries"]]
    raw = await server.get("/internal/logs/raw")

    assert any("got prompt" in line["m"] for line in lines)
    assert all(set(line) == {"t", "m"} for line in lines)
    assert set(raw) == {"entries", "size"}
    assert "got prompt" in await server.get("/internal/logs")


async def test_an_interrupt_of_a_prompt_that_nobody_owns_is_told_to_everybody(server: Server) -> None:
    slow = inverted_image(color=76, size=2048)
    for node in range(10, 30):
        source = str(node - 1) if node > 10 else "2"
        size = 2000 + node
        inputs = {"image": [source, 0], "upscale_method": "lanczos", "width": size, "height": size, "crop": "disabled"}
        slow[str(node)] = {"class_type": "ImageScale", "inputs": inputs}
    slow["3"]["inputs"]["images"] = ["29", 0]
    async with opened_page(server.session, server.url) as page:
        prompt_id = await server.queue(slow)
        await page.heard("progress_state", prompt_id)
        await server.post("/interrupt", {"prompt_id": prompt_id})
        interrupted = await page.heard("execution_interrupted", prompt_id)

    assert interrupted["node_type"] in ("EmptyImage", "ImageInvert", "ImageScale")
