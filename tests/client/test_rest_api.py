"""RunPod's REST API: items are found, created and changed, and what it says is passed on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from client.rest_api import ApiRefused, ApiUnavailable, RestApi
from tests.support.ports import free_port
from tests.support.rest_api import GPUS, KEY, RestApiServer, rest_api_server
from tests.support.served import served

TEMPLATE: dict[str, Any] = {"name": "n", "image": "me/worker:1", "disk": 20, "env": {"A": "1"}}


@pytest.fixture
async def server() -> AsyncIterator[RestApiServer]:
    async with rest_api_server() as server:
        yield server


async def ask[T](url: str, act: Callable[[RestApi], T], key: str = KEY) -> T:
    return await asyncio.to_thread(act, RestApi(url, key))


async def test_an_item_is_created_found_and_changed(server: RestApiServer) -> None:
    assert await ask(server.url, lambda api: api.find("templates", "n")) is None
    made = await ask(server.url, lambda api: api.create("templates", TEMPLATE))
    found = await ask(server.url, lambda api: api.find("templates", "n"))
    changed = await ask(server.url, lambda api: api.change("templates", made["id"], {"disk": 30}))

    assert found is not None
    assert found["id"] == made["id"] == "templates-1"
    assert (changed["disk"], changed["image"]) == (30, "me/worker:1")


async def test_the_catalogue_of_gpus_is_asked_for_serverless(server: RestApiServer) -> None:
    assert await ask(server.url, RestApi.gpus) == GPUS


async def test_two_of_one_name_are_not_guessed_between(server: RestApiServer) -> None:
    for _ in range(2):
        await ask(server.url, lambda api: api.create("templates", TEMPLATE))

    with pytest.raises(ApiRefused, match="there are 2 templates called n"):
        await ask(server.url, lambda api: api.find("templates", "n"))


async def test_a_refusal_has_the_apis_own_words(server: RestApiServer) -> None:
    with pytest.raises(ApiRefused, match=r"POST templates: 422 validation failed; .*"):
        await ask(server.url, lambda api: api.create("templates", {**TEMPLATE, "disk": "large"}))
    with pytest.raises(ApiRefused, match=r"401 invalid api key.*RUNPOD_API_KEY"):
        await ask(server.url, lambda api: api.find("templates", "n"), key="rpa_other")


async def test_an_api_that_does_not_answer_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ApiUnavailable, match=f"{url} does not answer"):
        await ask(url, lambda api: api.find("templates", "n"))


@pytest.mark.parametrize(
    ("text", "why"),
    [("<html>", "not a JSON object"), ("[1]", "not a JSON object"), ("[" * 200_000, "not a JSON object")],
)
async def test_an_answer_of_something_else_is_refused(text: str, why: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=text)

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", answer)])
    async with served(app, access_log=None) as url:
        with pytest.raises(ApiRefused, match=why):
            await ask(url, lambda api: api.find("templates", "n"))


async def test_an_answer_without_an_end_is_given_up() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(17):
            await response.write(b" " * 1024 * 1024)
        return response

    app = web.Application()
    app.add_routes([web.get("/{path:.*}", answer)])
    async with served(app, access_log=None) as url:
        with pytest.raises(ApiUnavailable, match="its answer is too long"):
            await ask(url, lambda api: api.find("templates", "n"))
