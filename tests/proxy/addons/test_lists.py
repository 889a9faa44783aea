"""The queue, the history and the jobs through real sockets, with ComfyUI's answers merged in."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from engine.model.states import JobState
from proxy.addons.history import History
from proxy.addons.jobs import Jobs
from proxy.addons.queue import Queue
from proxy.addons.streaming import Streaming
from tests.proxy.addons.conftest import SEED, Desk, Upstream, running_front

LOCAL: dict[str, Any] = {
    "prompt": [0, "local", {"1": {"seed": SEED}}, {"extra_pnginfo": None}, []],
    "outputs": {},
    "status": None,
}
BAD_ERROR = {"node_id": None, "node_type": "A", "exception_message": "m", "exception_type": "E", "traceback": None}


@pytest.fixture
async def front(upstream: Upstream, desk: Desk) -> AsyncIterator[str]:
    """Its address. The desk holds `done` and `waiting`; ComfyUI has run `local`."""
    desk.store.completions.positions(["local"])
    desk.add("done", JobState.SUBMITTING, JobState.QUEUED, JobState.COMPLETED)
    desk.add("waiting")
    addons = [Streaming(), Queue(desk.dispatcher, desk.store), History(desk.store), Jobs(desk.dispatcher, desk.store)]
    async with running_front(upstream.url, addons) as url:
        yield url


async def get(session: aiohttp.ClientSession, url: str) -> Any:
    async with session.get(url) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_the_queue_has_five_members_each_and_exact_seeds(
    front: str, upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    upstream.answers["/api/queue"] = {"queue_running": [LOCAL["prompt"]], "queue_pending": []}
    upstream.answers["/prompt"] = {"exec_info": {"queue_remaining": 2}}
    queue = await get(session, front + "/api/queue")

    assert queue["queue_running"] == [[0, "local", {"1": {"seed": SEED}}, {}, []]]
    assert queue["queue_pending"] == [[1, "waiting", {"1": {"seed": SEED}}, {"create_time": 5}, ["1"]]]
    assert await get(session, front + "/prompt") == {"exec_info": {"queue_remaining": 3}}


async def test_history_is_one_order_and_whole(front: str, upstream: Upstream, session: aiohttp.ClientSession) -> None:
    upstream.answers["/api/history"] = {"local": LOCAL}
    whole = await get(session, front + "/api/history?max_items=64")
    second = await get(session, front + "/api/history?max_items=5&offset=1")

    assert [(name, item["prompt"][0]) for name, item in whole.items()] == [("local", 1), ("done", 2)]
    assert all(item["status"]["status_str"] in ("success", "error") for item in whole.values())
    assert whole["done"]["outputs"] == {"1": {"text": ["x"]}}
    assert second == {"done": whole["done"]}
    assert upstream.seen == ["GET /api/history?max_items=64", "GET /api/history"]


async def test_single_items_are_those_of_the_lists(
    front: str, upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    upstream.answers |= {"/history": {"local": LOCAL}, "/history/local": {"local": LOCAL}}
    whole = await get(session, front + "/history")

    assert await get(session, front + "/history/local") == {"local": whole["local"]}
    assert await get(session, front + "/history/done") == {"done": whole["done"]}
    assert await get(session, front + "/history/waiting") == {}
    assert await get(session, front + "/history/unknown") == {}


async def test_a_malformed_local_job_does_not_blank_the_list(
    front: str, upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    local = {"id": "local", "status": "failed", "create_time": 9, "execution_error": BAD_ERROR}
    upstream.answers["/api/jobs"] = {"jobs": [None, {"id": "x"}, local], "pagination": {}}
    upstream.answers["/api/jobs/local"] = local
    body = await get(session, front + "/api/jobs?status=completed,failed,cancelled&limit=64&offset=0")
    one = await get(session, front + "/api/jobs/local")

    assert [job["id"] for job in body["jobs"]] == ["local", "done"]
    assert body["jobs"][0]["execution_error"]["node_id"] == one["execution_error"]["node_id"] == ""
    assert body["pagination"] == {"offset": 0, "limit": 64, "total": 2, "has_more": False}
    assert (await get(session, front + "/api/jobs/done"))["workflow"]["prompt"] == {"1": {"seed": SEED}}


async def test_a_comfyui_that_fails_at_its_own_list_does_not_take_ours_away(
    front: str, upstream: Upstream, session: aiohttp.ClientSession
) -> None:
    upstream.status = 500

    assert [job["id"] for job in (await get(session, front + "/api/jobs?status=pending"))["jobs"]] == ["waiting"]


async def test_a_bad_query_is_answered_as_comfyui_does(front: str, session: aiohttp.ClientSession) -> None:
    async with session.get(front + "/api/jobs?limit=x") as response:
        assert (response.status, await response.json()) == (400, {"error": "limit must be an integer"})
