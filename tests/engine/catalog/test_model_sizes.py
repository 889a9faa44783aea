"""How large a model is, asked of hosts that answer as Hugging Face, Civitai and others do."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from engine.catalog.model_sizes import ModelSizes, SizeUnknown
from engine.prompt.named_models import Hosts
from tests.support.served import served


async def whole(request: web.Request) -> web.Response:
    return web.Response(body=bytes(5))


async def ranged(request: web.Request) -> web.Response:
    assert request.headers["Range"] == "bytes=0-0"
    return web.Response(status=206, body=b"x", headers={"Content-Range": "bytes 0-0/7000"})


async def linked(request: web.Request) -> web.Response:
    raise web.HTTPFound("/elsewhere", headers={"X-Linked-Size": "6938078334"})


async def endless(request: web.Request) -> web.Response:
    return web.Response(status=206, body=b"x", headers={"Content-Range": f"bytes 0-0/{10**30}"})


async def moved(request: web.Request) -> web.Response:
    raise web.HTTPFound("/ranged")


async def around(request: web.Request) -> web.Response:
    raise web.HTTPFound("/around")


async def outside(request: web.Request) -> web.Response:
    raise web.HTTPFound("http://169.254.169.254/latest/meta-data")


async def gated(request: web.Request) -> web.Response:
    raise web.HTTPUnauthorized


async def gone(request: web.Request) -> web.Response:
    raise web.HTTPNotFound


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = web.Application()
    for handler in (whole, ranged, linked, endless, moved, around, outside, gated, gone):
        app.router.add_get(f"/{handler.__name__}", handler)
    async with served(app) as found:
        yield found


@pytest.mark.parametrize(("path", "size"), [("whole", 5), ("ranged", 7000), ("moved", 7000), ("linked", 6938078334)])
async def test_the_size_is_what_the_host_says_in_any_of_its_ways(url: str, path: str, size: int) -> None:
    assert await ModelSizes(Hosts(url)).size(f"{url}/{path}") == size


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("around", "without end"),
        ("endless", "does not say how large"),
        ("outside", "169.254.169.254 is not https"),
        ("gated", "HF_TOKEN"),
        ("gone", "answers 404"),
    ],
)
async def test_a_host_that_does_not_say_it_is_named_with_the_reason(url: str, path: str, reason: str) -> None:
    with pytest.raises(SizeUnknown, match=reason):
        await ModelSizes(Hosts(url)).size(f"{url}/{path}")


async def test_a_private_address_is_asked_only_when_the_settings_name_it(url: str) -> None:
    with pytest.raises(SizeUnknown, match=r"127\.0\.0\.1"):
        await ModelSizes(Hosts("huggingface.co")).size(f"{url}/whole")
