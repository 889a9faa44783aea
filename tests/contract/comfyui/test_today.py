"""What today's ComfyUI (0.33.0) says that earlier ones do not; the sandbox's says it, too."""

import uuid
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.comfyui.conftest import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIRST = (0, 33)
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
SLOW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 91}},
    "2": {"class_type": "SandboxSlow", "inputs": {"image": ["1", 0], "steps": 1, "seconds_per_step": 30.0}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
}


@pytest_asyncio.fixture(loop_scope="module")
async def today(server: Server) -> Server:
    version = (await server.get("/system_stats"))["system"]["comfyui_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < FIRST:
        pytest.skip(f"this is ComfyUI {version}")
    return server


async def asked(server: Server, path: str, **headers: str) -> aiohttp.ClientResponse:
    async with server.session.get(server.url + path, headers=headers) as response:
        await response.read()
        return response


async def test_old_names_of_nodes_can_be_asked_for(today: Server) -> None:
    assert isinstance(await today.get("/node_replacements"), dict)
    assert (await today.get("/features"))["node_replacements"] is True


async def test_an_id_that_is_not_a_uuid_is_refused(today: Server) -> None:
    status, body = await today.post("/prompt", {"prompt": SLOW, "prompt_id": "mine"})

    assert status == 400
    assert body["error"]["type"] == "invalid_prompt_id"
    assert body["error"]["message"] == "prompt_id must be a valid UUID"


async def test_jobs_that_run_or_wait_can_be_cancelled_by_their_ids(today: Server) -> None:
    running, waiting = [await today.queue(SLOW | {"4": {**SLOW["3"]}}) for _ in range(2)]
    nobody = str(uuid.uuid4())

    assert await today.post("/api/jobs/cancel", {"job_ids": [waiting, nobody, "odd"]}) == (
        400,
        {"error": "job_ids contains invalid id(s)", "invalid_ids": ["odd"]},
    )
    assert await today.post("/api/jobs/cancel", {"job_ids": [nobody]}) == (200, {"cancelled": False})
    assert await today.post("/api/jobs/cancel", {"job_ids": [nobody, waiting]}) == (200, {"cancelled": True})
    assert await today.post(f"/api/jobs/{running}/cancel", {}) == (200, {"cancelled": True})
    assert (await today.history(running))["status"]["status_str"] == "error"
    assert await today.post(f"/api/jobs/{running}/cancel", {}) == (200, {"cancelled": False})


@pytest.mark.parametrize(
    ("name", "destination", "shown"),
    [
        ("a.svg", "document", False),
        ("a.svg", "image", True),
        ("a.html", "image", False),
        ("a.xml", "document", False),
        ("a.png", "document", True),
    ],
)
async def test_what_could_run_in_the_page_is_only_downloaded(
    today: Server, name: str, destination: str, shown: bool
) -> None:
    (today.data / "output" / name).write_bytes(PICTURE)
    response = await asked(today, f"/view?filename={name}", **{"Sec-Fetch-Dest": destination})
    disposition = response.headers["Content-Disposition"]

    assert response.status == 200
    assert disposition == (f'filename="{name}"' if shown else f'attachment; filename="{name}"')
    assert (response.content_type != "application/octet-stream") is shown
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/prompt", "/view?filename=a.png", "/api/jobs"])
async def test_a_page_of_another_site_is_refused(today: Server, path: str) -> None:
    assert (await asked(today, path, **{"Sec-Fetch-Site": "cross-site"})).status == 403


@pytest.mark.parametrize(
    ("extra", "headers", "source"),
    [
        ({"comfy_usage_source": "page"}, {"Comfy-Usage-Source": "script"}, "page"),
        ({}, {"Comfy-Usage-Source": "script"}, "script"),
        ({}, {}, ""),
    ],
)
async def test_a_partner_node_learns_where_the_prompt_comes_from_and_gets_the_token(
    today: Server, extra: dict[str, Any], headers: dict[str, str], source: str
) -> None:
    prompt = {"1": {"class_type": "SandboxPartner", "inputs": {"message": ""}}}
    body = {"prompt": prompt, "extra_data": {**extra, "api_key_comfy_org": f"the-key-of-{source}"}}
    today_info = (await today.get("/object_info/SandboxPartner"))["SandboxPartner"]
    await today.post("/free", {"free_memory": True, "unload_models": True})
    async with today.session.post(today.url + "/prompt", json=body, headers=headers) as response:
        prompt_id = (await response.json())["prompt_id"]
    entry = await today.history(prompt_id)

    assert today_info["api_node"] is True
    assert entry["outputs"]["1"]["text"] == [source, "signed in"]
    assert "the-key-of" not in str(entry)
