"""How today's ComfyUI (0.33.0) hands out files and whom it refuses, at the proxy's address as at its own."""

from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.contract.remote.conftest import Sides
from tests.contract.remote.recording import Side
from tests.support.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
SHOWN = ("Content-Type", "Content-Disposition", "X-Content-Type-Options", "Cache-Control", "Vary")
UNKNOWN = "blake3:" + "0" * 64
SOURCE = {"1": {"class_type": "SandboxShowText", "inputs": {"text": "from somewhere"}}}


@dataclass
class Answer:
    status: int
    headers: dict[str, str | None]
    body: bytes


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def today(sides: Sides) -> Sides:
    async with sides.local.session.get(sides.local.url + "/system_stats") as response:
        version = (await response.json())["system"]["comfyui_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < (0, 33):
        pytest.skip(f"this is ComfyUI {version}")
    return sides


async def asked(side: Side, path: str, **headers: str) -> Answer:
    async with side.session.get(side.url + path, headers=headers) as response:
        found = {name: response.headers.get(name) for name in SHOWN}
        return Answer(response.status, found, await response.read())


async def upload(side: Side, name: str) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("image", PICTURE, filename=name, content_type="application/octet-stream")
    form.add_field("overwrite", "true")
    async with side.session.post(side.url + "/upload/image", data=form) as response:
        assert response.status == 200


async def extra_data(side: Side, prompt_id: str) -> dict[str, Any]:
    """Of the history, when the prompt has ended."""

    async def ended() -> Any:
        return (await side.get(f"/history/{prompt_id}")).get(prompt_id)

    found: dict[str, Any] = (await until(ended, 60))["prompt"][3]
    return found


@pytest.mark.parametrize("destination", ["document", "image"])
@pytest.mark.parametrize("name", ["side.svg", "side.html", "side.png"])
async def test_a_file_is_shown_or_downloaded_as_locally(today: Sides, name: str, destination: str) -> None:
    await upload(today.local, name)
    answers = [
        await asked(side, f"/view?filename={name}&type=input", **{"Sec-Fetch-Dest": destination})
        for side in (today.local, today.remote)
    ]

    assert answers[0] == answers[1]
    attached = "attachment" in str(answers[1].headers["Content-Disposition"])
    assert attached == (name == "side.html" or (name, destination) == ("side.svg", "document"))


async def test_a_file_by_the_hash_of_an_asset_is_comfyuis_to_find(today: Sides) -> None:
    local, remote = [await asked(side, f"/view?filename={UNKNOWN}") for side in (today.local, today.remote)]

    assert (local.status, remote.status) == (404, 404)


@pytest.mark.parametrize("path", ["/", "/api/queue", "/view?filename=side.png&type=input", "/api/jobs"])
async def test_a_page_of_another_site_gets_nothing_on_either_side(today: Sides, path: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    statuses = [(await asked(side, path, **foreign)).status for side in (today.local, today.remote)]

    assert statuses == [403, 403]


@pytest.mark.parametrize("named", [{}, {"comfy_usage_source": "a-page"}])
async def test_where_a_prompt_comes_from_is_remembered_as_locally(today: Sides, named: dict[str, str]) -> None:
    remembered = []
    for side in (today.local, today.remote):
        body, headers = {"prompt": SOURCE, "extra_data": named}, {"Comfy-Usage-Source": "a-script"}
        async with side.session.post(side.url + "/prompt", json=body, headers=headers) as response:
            prompt_id = (await response.json())["prompt_id"]
        remembered.append((await extra_data(side, prompt_id)).get("comfy_usage_source"))

    assert remembered == [named.get("comfy_usage_source", "a-script")] * 2


async def test_a_partner_node_is_refused_at_the_proxy_before_it_is_paid(today: Sides) -> None:
    prompt = {"1": {"class_type": "SandboxPartner", "inputs": {"message": ""}}}
    status, body = await today.remote.post("/prompt", {"prompt": prompt, "extra_data": {"api_key_comfy_org": "key"}})

    assert status == 400
    assert "COMFY_ORG_TOKENS=1" in body["node_errors"]["1"]["errors"][0]["details"]
