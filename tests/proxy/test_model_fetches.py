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
from proxy.fetch_costs import FetchCosts
from proxy.model_fetches import ModelFetches
from proxy.run_anyway import RunAnyway
from tests.support.served import served
from wire.ids import ClientId


class Bench:
    """The routes with what they work with."""

    def __init__(self, folder: Path, url: str) -> None:
        hosts = Hosts(f"{HOSTS},{url}")
        self.approved = ApprovedModels(folder / "approved.json", Catalogs([], lambda: 0), lambda: 0)
        self.run_anyway = RunAnyway(lambda: 1.0)
        costs = FetchCosts(0.5, lambda: True)
        self.fetches = ModelFetches(self.approved, ModelSizes(hosts), hosts, costs, self.run_anyway)

    async def post(self, path: str, body: dict[str, Any], *, dry: bool = False) -> dict[str, Any]:
        return await self.fetches.answers["POST", path](body, dry)


FETCH, TRUST = "/runpod/api/models/fetch", "/runpod/api/catalog/trust"


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
    body = await bench.post(FETCH, wanted(f"{url}/x.pt"), dry=True)

    assert (body["models"][0]["size"], body["models"][0]["to"]) == (9, "volume")
    assert bench.approved.on_their_way() == {}


async def test_a_yes_is_remembered_with_what_was_told(bench: Bench, url: str) -> None:
    body = await bench.post(FETCH, wanted(f"{url}/x.pt", sha256="A" * 64))
    (model,) = bench.approved.wanted({"1": {"class_type": "VAELoader", "inputs": {"vae_name": "x.pt"}}}, "e")

    assert body["models"][0]["host"] == "127.0.0.1"
    assert (model.size, model.sha256) == (9, "a" * 64)


async def test_a_model_whose_size_is_not_known_may_be_approved_too(bench: Bench, url: str) -> None:
    body = await bench.post(FETCH, wanted(f"{url}/gone.pt"))

    assert body["models"][0]["size"] is None
    assert set(bench.approved.on_their_way()) == {"vae"}


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
    with pytest.raises(ValueError, match=r"huggingface\.co"):
        await bench.post(FETCH, wanted(**{"url": f"{url}/x.pt", **changed}))

    assert bench.approved.on_their_way() == {}


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
    ],
)
async def test_an_odd_body_is_refused(bench: Bench, path: str, body: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"models|client_id"):
        await bench.post(path, body)


async def test_a_page_may_run_its_next_prompt_anyway(bench: Bench) -> None:
    await bench.post(TRUST, {"client_id": "other"}, dry=True)
    await bench.post(TRUST, {"client_id": "page"})

    assert [bench.run_anyway.is_allowed(ClientId(page)) for page in ("page", "other")] == [True, False]
