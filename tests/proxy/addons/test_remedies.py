"""The ways out of a refused prompt: a model that a worker shall fetch, and running it anyway."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from engine.catalog.approved_models import ApprovedModels
from engine.catalog.catalogs import Catalogs
from engine.catalog.model_sizes import ModelSizes
from engine.prompt.named_models import HOSTS, Hosts
from proxy.addons.remedies import FETCH, TRUST, Remedies
from proxy.fetch_costs import FetchCosts
from proxy.run_anyway import RunAnyway
from tests.support.flows import answer, asked
from tests.support.served import served
from wire.ids import ClientId


class Bench:
    """The addon with what it works with."""

    def __init__(self, folder: Path, url: str) -> None:
        hosts = Hosts(f"{HOSTS},{url}")
        self.approved = ApprovedModels(folder / "approved.json", Catalogs([], lambda: 0), lambda: 0)
        self.run_anyway = RunAnyway(lambda: 1.0)
        costs = FetchCosts(0.5, lambda: True)
        self.addon = Remedies(self.approved, ModelSizes(hosts), hosts, costs, self.run_anyway)

    async def post(self, path: str, body: object, method: str = "POST") -> tuple[int, Any]:
        flow = asked(method, path, body)
        await self.addon.request(flow)
        return answer(flow)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def model(_: web.Request) -> web.Response:
        return web.Response(body=bytes(9))

    app = web.Application()
    app.router.add_get("/x.pt", model)
    async with served(app) as found:
        yield found


@pytest.fixture
def bench(tmp_path: Path, url: str) -> Bench:
    return Bench(tmp_path, url)


def wanted(url: str, **changed: Any) -> dict[str, Any]:
    return {"models": [{"kind": "vae", "name": "x.pt", "url": url, **changed}]}


async def test_a_dry_run_tells_the_price_and_keeps_nothing(bench: Bench, url: str) -> None:
    status, body = await bench.post(f"{FETCH}?dry=1", wanted(f"{url}/x.pt"))

    assert (status, body["models"][0]["size"], body["models"][0]["to"]) == (200, 9, "volume")
    assert bench.approved.names() == {}


async def test_a_yes_is_remembered_with_what_was_told(bench: Bench, url: str) -> None:
    status, body = await bench.post(FETCH, wanted(f"{url}/x.pt", sha256="A" * 64))
    (model,) = bench.approved.wanted({"1": {"class_type": "VAELoader", "inputs": {"vae_name": "x.pt"}}}, "e")

    assert (status, body["models"][0]["host"]) == (200, "127.0.0.1")
    assert (model.size, model.sha256) == (9, "a" * 64)


async def test_a_model_whose_size_is_not_known_may_be_approved_too(bench: Bench, url: str) -> None:
    status, body = await bench.post(FETCH, wanted(f"{url}/gone.pt"))

    assert (status, body["models"][0]["size"]) == (200, None)
    assert set(bench.approved.names()) == {"vae"}


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://example.com/x.pt"},
        {"url": "http://127.0.0.1:1/x.pt"},
        {"url": "file:///etc/passwd"},
        {"name": "../../x.pt"},
        {"kind": "../custom_nodes"},
    ],
)
async def test_what_may_not_be_fetched_is_refused_with_the_reason(
    bench: Bench, url: str, changed: dict[str, Any]
) -> None:
    status, body = await bench.post(FETCH, wanted(**{"url": f"{url}/x.pt", **changed}))

    assert (status, body["error"]["type"]) == (400, "not_allowed")
    assert "huggingface.co" in body["error"]["details"]
    assert bench.approved.names() == {}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (FETCH, {}),
        (FETCH, {"models": []}),
        (FETCH, {"models": [{}] * 201}),
        (FETCH, {"models": [{"kind": "vae"}]}),
        (FETCH, wanted("https://huggingface.co/a", sha256="no")),
        (TRUST, {}),
        (TRUST, {"client_id": ""}),
        (TRUST, b"odd"),
    ],
)
async def test_an_odd_body_is_refused(bench: Bench, path: str, body: object) -> None:
    status, answered = await bench.post(path, body)

    assert (status, answered["error"]["type"]) == (400, "bad_request")


async def test_a_page_may_run_its_next_prompt_anyway(bench: Bench) -> None:
    status, _ = await bench.post(TRUST, {"client_id": "page"})

    assert status == 200
    assert bench.run_anyway.is_allowed(ClientId("page"))


async def test_nothing_is_done_by_a_get(bench: Bench) -> None:
    status, _ = await bench.post(TRUST, None, method="GET")

    assert status == 405


async def test_other_requests_pass(bench: Bench) -> None:
    flow = asked("POST", "/runpod/api/jobs/x/cancel", {})
    await bench.addon.request(flow)

    assert flow.response is None
