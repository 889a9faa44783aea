"""POST /prompt, judged by what the endpoint has."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from engine.catalog.approved_models import ApprovedModel
from engine.catalog.definitions import FRESH_MS
from tests.proxy.addons.conftest import Desk
from tests.proxy.addons.test_submit import RENAMED, SAVER, comfyui_with, posted
from tests.support.catalogs import endpoint, info, node, sampled
from tests.support.comfyui import comfyui_process
from tests.support.counter import NEW, counter
from tests.support.prompts import inverted_image
from wire.ids import ClientId


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A ComfyUI of this machine without any of the classes of the prompts."""
    async with comfyui_process(data=tmp_path_factory.mktemp("comfyui")) as found:
        yield found


NOBODYS = {"extra_pnginfo": {"workflow": {"nodes": [{"properties": {"models": [
    {"name": "x.pt", "url": "https://huggingface.co/a/b/blob/main/x.pt", "directory": "checkpoints"}
]}}]}}}  # fmt: skip
KNOWN = endpoint()
OF_PAGE = {"client_id": "page"}


async def test_a_class_that_only_the_endpoint_has_runs_and_is_judged_by_its_definition(
    desk: Desk, session: aiohttp.ClientSession, url: str
) -> None:
    addon = counter(desk, session, url, KNOWN).submit()
    good, _ = await posted(addon, {"prompt": sampled()})
    desk.dispatcher.cancel(NEW)
    bad, body = await posted(addon, {"prompt": sampled(**{"2": node("KSampler", model=["1", 0], steps=0)})})

    assert (good, bad) == (200, 400)
    assert body["node_errors"]["2"]["errors"][0]["type"] == "value_smaller_than_min"


async def test_a_model_that_the_endpoint_lacks_is_refused_with_its_ways_out(
    desk: Desk, session: aiohttp.ClientSession, url: str
) -> None:
    addon = counter(desk, session, url, KNOWN).submit()
    status, body = await posted(addon, {"prompt": sampled("x.pt"), "extra_data": NOBODYS, **OF_PAGE})
    told = body["error"]["extra_info"]["runpod"]

    assert (status, list(body["node_errors"])) == (400, ["1"])
    assert told["text"] == "The endpoint has no x.pt in checkpoints."
    assert told["models"][0]["fetch"]["url"] == "https://huggingface.co/a/b/resolve/main/x.pt"
    assert (told["refused"], told["can_run_anyway"], told["prompt_id"]) == (True, True, None)
    assert desk.pages.told == [("page", "runpod.remedies", told)]
    assert desk.store.find(NEW) is None


async def test_a_person_may_run_it_anyway_once(desk: Desk, session: aiohttp.ClientSession, url: str) -> None:
    bench = counter(desk, session, url, KNOWN)
    bench.run_anyway.allow(ClientId("page"))
    first, _ = await posted(bench.submit(), {"prompt": sampled("x.pt"), **OF_PAGE})
    desk.dispatcher.cancel(NEW)
    second, _ = await posted(bench.submit(), {"prompt": sampled("x.pt"), **OF_PAGE})

    assert (first, second) == (200, 400)


async def test_a_prompt_whose_models_the_person_has_approved_is_accepted(
    desk: Desk, session: aiohttp.ClientSession, url: str
) -> None:
    bench = counter(desk, session, url, KNOWN)
    await bench.approved.approve([ApprovedModel(kind="checkpoints", name="x.pt", url="https://huggingface.co/a")])
    status, _ = await posted(bench.submit(), {"prompt": sampled("x.pt"), **OF_PAGE})

    assert (status, desk.pages.told) == (200, [])


async def test_what_is_old_in_the_catalog_only_warns_and_once(
    desk: Desk, session: aiohttp.ClientSession, url: str
) -> None:
    addon = counter(desk, session, url, KNOWN, age_ms=FRESH_MS + 1).submit()
    for _ in range(2):
        status, _ = await posted(addon, {"prompt": sampled("x.pt"), **OF_PAGE})
        desk.dispatcher.cancel(NEW)
        assert status == 200
    ((page, kind, told),) = desk.pages.told

    assert (page, kind, told["refused"], told["prompt_id"]) == ("page", "runpod.remedies", False, NEW)
    assert told["text"] == "The endpoint may have no x.pt in checkpoints."


async def test_a_class_that_the_endpoint_lacks_is_refused_in_the_words_of_comfyui_with_what_to_do(
    desk: Desk, session: aiohttp.ClientSession, url: str
) -> None:
    addon = counter(desk, session, url, KNOWN).submit()
    status, body = await posted(addon, {"prompt": {**inverted_image(), **sampled(**{"7": node("OfNobody")})}})

    assert (status, body["error"]["type"]) == (400, "missing_node_type")
    assert body["error"]["extra_info"]["class_type"] in {"EmptyImage", "ImageInvert", "SaveImage", "OfNobody"}
    assert "docker/custom_nodes.yaml" in body["error"]["details"]
    assert [one["class_type"] for one in body["error"]["extra_info"]["runpod"]["classes"]].count("OfNobody") == 1


@pytest.mark.parametrize(
    ("nodes", "status"),
    [
        ({"NewSaver": SAVER}, 200),
        ({"Other": SAVER}, 400),
    ],
)
async def test_an_old_name_is_replaced_by_what_the_endpoint_has(
    desk: Desk, session: aiohttp.ClientSession, nodes: dict[str, Any], status: int
) -> None:
    async with comfyui_with(RENAMED) as url:
        addon = counter(desk, session, url, endpoint(nodes=nodes)).submit()
        found, _ = await posted(addon, {"prompt": {"1": {"class_type": "OldSaver", "inputs": {"number": 5}}}})

    assert found == status


async def test_a_difference_of_versions_is_told_and_the_prompt_runs(desk: Desk, session: aiohttp.ClientSession) -> None:
    there = info({}, [], output_node=True)
    async with comfyui_with(None) as url:
        addon = counter(desk, session, url, endpoint(nodes={"NewSaver": there})).submit()
        status, _ = await posted(addon, {"prompt": {"1": node("NewSaver", value=5)}})

    assert status == 200
    assert [summary for _, summary, _ in desk.pages.notices] == ["The endpoint has another version"]
    assert "it does not have the input value" in desk.pages.notices[0][2]
