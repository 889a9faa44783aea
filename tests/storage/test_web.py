"""Who is asked when somebody else names the address. The tables are in tests/security/test_addresses.py."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from storage.web import PrivateAddress, PublicResolver, public_socket, web_client
from tests.support.served import served
from wire.addresses import AddressRefused, origin_of


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": "/"})
        return web.Response(text=request.headers.get("Range", "whole"))

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with served(app, access_log=None) as url:
        yield url


async def test_an_allowed_origin_is_asked_wherever_it_is(url: str) -> None:
    async with (
        web_client(allowed={origin_of(url)}) as client,
        await client.get(f"{url}/a", {"Range": "bytes=1-"}) as got,
    ):
        assert await got.text() == "bytes=1-"


async def test_a_redirect_is_an_answer(url: str) -> None:
    async with web_client(allowed=None) as client, await client.get(f"{url}/moved", {}) as got:
        assert (got.status, got.headers["Location"]) == (302, "/")


async def test_nobody_else_is_asked_without_https_or_at_a_private_address(url: str) -> None:
    async with web_client() as client:
        for wanted, said in ((url, "not https"), (url.replace("http:", "https:"), "a private address")):
            with pytest.raises(AddressRefused, match=said):
                await client.get(wanted, {})
        with pytest.raises(AddressRefused, match="localhost is a private address"):
            await client.get("https://localhost:1/", {})


async def test_a_name_is_judged_by_its_addresses() -> None:
    with pytest.raises(PrivateAddress):
        await PublicResolver().resolve("localhost", 1)


def test_no_socket_is_made_for_a_private_address() -> None:
    with pytest.raises(PrivateAddress):
        public_socket((2, 1, 6, "", ("127.0.0.1", 80)))

    public_socket((2, 1, 6, "", ("8.8.8.8", 80))).close()
