"""RunPod's REST API: an item is created, changed or left alone."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from client.rest_api import ApiRefused, ApiUnavailable, RestApi, differences, without_secrets
from tests.support.ports import free_port
from tests.support.rest_api import KEY, RestApiServer, rest_api_server

TEMPLATE: dict[str, Any] = {"name": "n", "image": "me/worker:1", "disk": 20, "env": {"A": "1"}}


@pytest.fixture
async def server() -> AsyncIterator[RestApiServer]:
    async with rest_api_server() as server:
        yield server


async def ensure(url: str, wanted: dict[str, Any], key: str = KEY) -> list[str]:
    """The lines for the person."""
    lines = list[str]()
    await asyncio.to_thread(RestApi(url, key, lines.append, dry_run=False).ensure, "templates", wanted)
    return lines


async def test_an_item_is_created_once_and_then_left_alone(server: RestApiServer) -> None:
    first, second = await ensure(server.url, TEMPLATE), await ensure(server.url, TEMPLATE)

    assert first == ["templates: n created (templates-1)"]
    assert second == ["templates: n is as it should be (templates-1)"]
    assert [method for method, _, _ in server.writes] == ["POST"]


async def test_only_what_differs_is_changed(server: RestApiServer) -> None:
    await ensure(server.url, TEMPLATE)
    lines = await ensure(server.url, {**TEMPLATE, "disk": 30})

    assert lines == ["templates: n changed (templates-1): disk"]
    assert server.writes[-1] == ("PATCH", "templates", {"disk": 30})


async def test_a_refusal_has_the_apis_own_words(server: RestApiServer) -> None:
    with pytest.raises(ApiRefused, match=r"POST templates: 422 validation failed; .*"):
        await ensure(server.url, {**TEMPLATE, "disk": "large"})
    with pytest.raises(ApiRefused, match=r"401 invalid api key.*RUNPOD_API_KEY"):
        await ensure(server.url, TEMPLATE, key="rpa_other")


async def test_an_api_that_does_not_answer_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ApiUnavailable, match=f"{url} does not answer"):
        await ensure(url, TEMPLATE)


@pytest.mark.parametrize(
    ("wanted", "known", "changes"),
    [
        ({"disk": 20}, {"disk": 20, "id": "x"}, {}),
        ({"disk": 20}, {}, {"disk": 20}),
        ({"type": "QUEUE"}, {}, {}),
        ({"gpu": {"count": 1}}, {"gpu": {"count": 1, "more": 2}}, {}),
        ({"gpu": {"count": 2}}, {"gpu": {"count": 1, "more": 2}}, {"gpu": {"count": 2}}),
        ({"env": {"A": "1"}}, {"env": {"A": "0", "B": "2"}}, {"env": {"A": "1", "B": "2"}}),
        ({"env": {"A": "1"}}, {"env": None}, {"env": {"A": "1"}}),
    ],
)
def test_a_patch_says_what_differs_and_keeps_other_variables(
    wanted: dict[str, Any], known: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert differences(wanted, known) == changes


def test_values_of_variables_are_not_shown() -> None:
    shown = without_secrets(TEMPLATE)

    assert shown == {**TEMPLATE, "env": {"A": "[hidden]"}}
    assert TEMPLATE["env"] == {"A": "1"}
    assert without_secrets({"name": "n"}) == {"name": "n"}
