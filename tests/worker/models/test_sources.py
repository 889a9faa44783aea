"""Where the bytes of a model come from: web servers, and which of them are asked."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.support.served import served
from tests.worker.models.conftest import CONTENT, Host
from worker.models.manifest import S3Source, Web
from worker.models.sources import ModelSources, SourceFailed


def sources(*, allow_private: bool = True, **tokens: str) -> ModelSources:
    return ModelSources(None, tokens, allow_private=allow_private)


async def read(url: str, start: int = 0, end: int | None = None) -> bytes:
    """The bytes as a download gets them: facts first."""
    one = sources()
    async with one.session() as http:
        source = one.open(Web(url), http)
        await source.facts()
        return b"".join([chunk async for chunk in source.read(start, end)])


@pytest.fixture
async def odd() -> AsyncIterator[str]:
    """A server whose answers are all different."""

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    async def again(_: web.Request) -> web.Response:
        raise web.HTTPFound("/again")

    async def headers(request: web.Request) -> web.Response:
        return web.json_response(dict(request.headers))

    async def away(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://localhost:{request.url.port}/headers")

    app = web.Application()
    app.router.add_get("/status/{status}", status)
    app.router.add_get("/again", again)
    app.router.add_get("/headers", headers)
    app.router.add_get("/away", away)
    async with served(app, access_log=None) as url:
        yield url


async def test_a_server_says_how_large_the_file_is_and_that_it_sends_parts(host: Host) -> None:
    one = sources()
    async with one.session() as http:
        facts = await one.open(Web(f"{host.url}/model.safetensors"), http).facts()

    assert (facts.size, facts.ranged) == (len(CONTENT), True)
    assert facts.version


async def test_a_server_without_parts_says_how_large_the_file_is(host: Host) -> None:
    host.ranges = False
    one = sources()
    async with one.session() as http:
        facts = await one.open(Web(f"{host.url}/model.safetensors"), http).facts()

    assert (facts.size, facts.ranged) == (len(CONTENT), False)


@pytest.mark.parametrize(("start", "end"), [(0, None), (10, 20), (len(CONTENT) - 5, None), (0, len(CONTENT))])
async def test_a_part_is_read_from_start_to_end(host: Host, start: int, end: int | None) -> None:
    assert await read(f"{host.url}/model.safetensors", start, end) == CONTENT[start:end]


async def test_a_file_that_changes_while_it_is_downloaded_is_not_mixed(host: Host) -> None:
    one = sources()
    async with one.session() as http:
        source = one.open(Web(f"{host.url}/model.safetensors"), http)
        await source.facts()
        host.content = CONTENT[::-1]

        with pytest.raises(SourceFailed, match="changed"):
            [chunk async for chunk in source.read(0, 10)]


async def test_a_part_that_comes_as_the_whole_file_is_refused(host: Host) -> None:
    one = sources()
    async with one.session() as http:
        source = one.open(Web(f"{host.url}/model.safetensors"), http)
        await source.facts()
        host.ranges = False

        with pytest.raises(SourceFailed, match="whole file instead of a part"):
            [chunk async for chunk in source.read(10, 20)]


@pytest.mark.parametrize(
    ("path", "for_good", "reason"),
    [
        ("/status/403", True, "refuses \\(403\\)$"),
        ("/status/404", True, "answers 404"),
        ("/status/408", False, "answers 408"),
        ("/status/429", False, "answers 429"),
        ("/status/500", False, "answers 500"),
        ("/again", True, "redirects without end"),
    ],
)
async def test_an_answer_says_whether_to_ask_again(odd: str, path: str, *, for_good: bool, reason: str) -> None:
    with pytest.raises(SourceFailed, match=reason) as caught:
        await read(odd + path)

    assert caught.value.for_good is for_good


async def test_a_server_that_is_not_there_is_asked_again() -> None:
    with pytest.raises(SourceFailed, match=r"127\.0\.0\.1") as caught:
        await read("http://127.0.0.1:1/a.bin")

    assert not caught.value.for_good


async def test_a_refusal_names_the_variable_with_the_token(odd: str) -> None:
    one = sources()
    async with one.session() as http:
        with pytest.raises(SourceFailed, match="set HF_TOKEN and accept the model's licence"):
            await one.open(Web(f"{odd}/status/401", "hf"), http).facts()


@pytest.mark.parametrize(("path", "sent"), [("/headers", True), ("/away", False)])
async def test_a_token_goes_to_its_own_host_only(odd: str, path: str, *, sent: bool) -> None:
    one = sources(hf="hf_secret")
    async with one.session() as http:
        source = one.open(Web(odd + path, "hf"), http)
        answer = b"".join([chunk async for chunk in source.read(0, None)])

    assert (b"hf_secret" in answer) is sent


async def test_s3_without_keys_says_what_to_set() -> None:
    one = sources()
    async with one.session() as http:
        with pytest.raises(SourceFailed, match="BUCKET_ACCESS_KEY_ID"):
            one.open(S3Source("models", "a.bin"), http)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/a", "not https"),
        ("https://127.0.0.1:1/a", "private address"),
        ("https://localhost:1/a", "private address"),  # by its resolver
    ],
)
async def test_only_public_https_is_asked(url: str, reason: str) -> None:
    one = sources(allow_private=False)
    async with one.session() as http:
        with pytest.raises(SourceFailed, match=reason) as caught:
            await one.open(Web(url), http).facts()

    assert caught.value.for_good
