"""Addresses from outside: a workflow, a manifest or a worker wants our programs to ask a machine that only they reach.

One table for both ends: the worker fetches models and inputs, the proxy fetches results.
"""

import errno
import ipaddress
import socket
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from engine.files.large_files import LargeFileLost, LargeFiles
from storage.objects import S3Location
from storage.s3 import Bucket
from storage.web import PrivateAddress, PublicResolver, public_socket
from tests.support.served import served
from wire.addresses import AddressRefused, Origin, is_public, origin_of
from wire.errors import WireError
from wire.files import FileRef, Url
from wire.ids import PromptId
from worker.files.input_fetch import InputFetch
from worker.models.manifest import Web, address
from worker.models.sources import ModelSources, SourceFailed

SECRET = "X-Amz-Signature=secret"


@pytest.fixture(autouse=True)
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were connected to. What is not loopback is not reached, even if the code should try it."""
    found, connect = list[str](), BaseSelectorEventLoop.sock_connect

    async def guarded(loop: BaseSelectorEventLoop, sock: socket.socket, address: tuple[Any, ...]) -> None:
        found.append(str(address[0]))
        if address[0] != "127.0.0.1":
            raise OSError(errno.ENETUNREACH, "only loopback is reached in tests")
        await connect(loop, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", guarded)
    return found


# -- kinds of IP addresses


PRIVATE = {
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "fc00::1", "fd12:3456::1"],
    "link-local, and what clouds tell there": ["169.254.0.1", "169.254.169.254", "fe80::1", "fd00:ec2::254"],
    "carrier": ["100.64.0.1", "100.127.255.254"],
    "this machine": ["0.0.0.0", "0.1.2.3", "::"],
    "multicast": ["224.0.0.1", "232.1.1.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "broadcast, reserved": ["255.255.255.255", "240.0.0.1", "4000::1", "5f00::1"],
    "site-local": ["fec0::1", "feff::1"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "benchmarks": ["198.18.0.1", "2001:2::1"],
    "protocols": ["192.0.0.1", "192.0.0.8", "192.0.0.9", "192.88.99.1", "100::1", "2001:20::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "compatible": ["::127.0.0.1", "::10.0.0.1", "::8.8.8.8", "::7f00:1"],
    "NAT64": ["64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:1::1"],
    "Teredo": ["2001::1", "2001:0:7f00:1::1"],
    "with a zone": ["fe80::1%eth0", "fe80::1%1", "2606:4700::1111%lo"],
}  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.216.34", "1.1.1.1", "223.255.255.254", "2606:4700::1111", "2a00:1450:4001::1",
          "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"]  # fmt: skip


@pytest.mark.parametrize("text", [text for kind in PRIVATE.values() for text in kind])
def test_an_address_that_is_not_for_everybody_is_private_in_every_form(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_for_everybody_is_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_in_an_ipv6_form_is_judged_as_what_it_is(v4: ipaddress.IPv4Address) -> None:
    number = int(v4)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    nat64 = ipaddress.IPv6Address((0x64FF9B << 96) | number)
    six_to_four = ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1)

    assert is_public(mapped) is is_public(nat64) is is_public(six_to_four) is is_public(v4)
    assert not is_public(ipaddress.IPv6Address(number))


@given(st.ip_addresses(v=6))
def test_only_global_unicast_is_public(v6: ipaddress.IPv6Address) -> None:
    embedded = v6.ipv4_mapped is not None or v6 in ipaddress.IPv6Network("64:ff9b::/96")

    assert embedded or not is_public(v6) or int(v6) >> 125 == 1


# -- spellings of addresses


ORIGINS = [
    ("https://example.com", Origin("https", "example.com", 443)),
    ("https://EXAMPLE.com:443/a?b#c", Origin("https", "example.com", 443)),
    ("HTTPS://example.com/", Origin("https", "example.com", 443)),
    ("https://example.com:/a", Origin("https", "example.com", 443)),
    ("https://example.com:8443/", Origin("https", "example.com", 8443)),
    ("https://example.com./", Origin("https", "example.com.", 443)),
    ("https://xn--mnchen-3ya.example/", Origin("https", "xn--mnchen-3ya.example", 443)),
    ("https://under_score.example/ä b", Origin("https", "under_score.example", 443)),
    ("http://bucket:9000/x", Origin("http", "bucket", 9000)),
    ("http://127.0.0.1/x", Origin("http", "127.0.0.1", 80)),
    ("https://[::1]:1/x", Origin("https", "[::1]", 1)),
    ("https://[0:0::0:1]/x", Origin("https", "[::1]", 443)),
    ("https://3com.example/x", Origin("https", "3com.example", 443)),
    ("https://0xabc.example/x", Origin("https", "0xabc.example", 443)),
]
BROKEN = [
    "", "x", "//example.com", "https:example.com", "https:///x", "https://", "https:/example.com", "ftp://example.com",
    "file:///etc/passwd", "javascript:alert(1)", "https://\\127.0.0.1", "https://\\\\127.0.0.1\\x", "https://a\\b.example",
    "https://exa mple.com", "https://example.com:99999", "https://example.com:0", "https://example.com:-1", "https://a:b:1",
    "https://example.com:x", "https://[::1", "https://::1/", "https://[::1]x/", "https://[127.0.0.1]/", "https://[x]/",
    "https://user@example.com", "https://user:pw@example.com", "https://@example.com", "https://example.com%00.evil",
    "https://ex%61mple.com", "https://münchen.example", "https://①②⑦.⓪.⓪.①", "https://127。0。0。1", "https://a..b", "https://.a",
    "https://-a.example", "https://" + "a" * 64 + ".example", "https://" + "a." * 130 + "example", "https://\ud800",
    "https://127.1", "https://127.0.1", "https://2130706433", "https://0x7f000001", "https://0x7f.0.0.1", "https://0177.0.0.1",
    "https://012.0.0.1", "https://127.0.0.01", "https://127.0.0.1.", "https://0", "https://0x", "https://1.2.3.4.5",
    "https://256.0.0.1", "https://example.1", "https://[fe80::1%25eth0]", "https://[fe80::1%eth0]", "https://[::1%1]",
]  # fmt: skip


@pytest.mark.parametrize(("url", "origin"), ORIGINS, ids=lambda value: str(value)[:40])
def test_an_address_belongs_to_somebody(url: str, origin: Origin) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", BROKEN, ids=lambda url: ascii(url)[:40])
def test_what_two_programs_may_read_differently_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        origin_of(f"{url}/?{SECRET}")

    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 200
    assert SECRET not in said


# -- nobody is asked behind a private address, whatever it is called


HOSTS = [text if ":" not in text else f"[{text}]" for kind in PRIVATE.values() for text in kind] + [
    "localhost", "LOCALHOST", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
    "127.0.0.1.", "0", "①②⑦.⓪.⓪.①", "127。0。0。1", "user@127.0.0.1", "example.com@127.0.0.1", "\\127.0.0.1",
    "[::1%25lo]",
]  # fmt: skip


async def model(url: str) -> None:
    sources = ModelSources(None, {"hf": "hf_secret"}, allow_private=False)
    async with sources.session() as http:
        await sources.open(Web(url, "hf"), http).facts()


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", HOSTS, ids=ascii)
async def test_the_worker_does_not_ask_a_private_address(dialled: list[str], host: str, scheme: str) -> None:
    with pytest.raises(SourceFailed) as failed:
        await model(f"{scheme}://{host}:9/a.safetensors?{SECRET}")

    assert failed.value.for_good
    assert SECRET not in str(failed.value)
    assert dialled == []


@asynccontextmanager
async def large_files(bucket_url: str | None = None) -> AsyncIterator[LargeFiles]:
    place = bucket_url and S3Location(bucket_url, "b", "us-east-1", SecretStr("k"), SecretStr("s"))
    async with aiohttp.ClientSession() as session:
        yield LargeFiles(session, bucket=Bucket(place) if place else None, volume=None)


def result(url: str) -> FileRef:
    return FileRef(filename="x.mp4", type="output", sha256="0" * 64, size=10, source=Url(url=url))


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", HOSTS, ids=ascii)
async def test_the_proxy_does_not_ask_a_private_address(
    dialled: list[str], tmp_path: Path, host: str, scheme: str
) -> None:
    async with large_files("http://bucket.example") as large:
        with pytest.raises(LargeFileLost) as lost:
            await large.fetch(PromptId("job"), result(f"{scheme}://{host}:9/x?{SECRET}"), tmp_path / "x")

    assert "BUCKET_ENDPOINT_URL" in str(lost.value)
    assert SECRET not in str(lost.value)
    assert dialled == []


@pytest.mark.parametrize("url", BROKEN, ids=lambda url: ascii(url)[:40])
async def test_an_address_that_is_none_is_said_on_both_ends(tmp_path: Path, url: str) -> None:
    with pytest.raises(SourceFailed) as failed:
        await model(url)
    assert failed.value.for_good
    with pytest.raises(WireError):
        address(url)
    if url:  # an empty one means that it was not kept
        async with large_files() as large:
            with pytest.raises(LargeFileLost):
                await large.fetch(PromptId("job"), result(url), tmp_path / "x")


# -- names that change


class Names(AbstractResolver):
    """A name server whose answer is another each time."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = self._answers.pop(0)
        six = socket.AF_INET6
        return [
            {"hostname": host, "host": text, "port": port, "family": six if ":" in text else socket.AF_INET,
             "proto": 0, "flags": socket.AI_NUMERICHOST}
            for text in found
        ]  # fmt: skip

    async def close(self) -> None:
        pass


async def test_a_name_is_judged_each_time() -> None:
    resolver = PublicResolver(Names(["8.8.8.8"], ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["64:ff9b::7f00:1"]))

    assert [entry["host"] for entry in await resolver.resolve("rebound.example", 443)] == ["8.8.8.8"]
    for _ in range(3):
        with pytest.raises(PrivateAddress, match=r"rebound\.example is a private address"):
            await resolver.resolve("rebound.example", 443)


async def test_what_is_connected_to_was_judged_whoever_resolved_it(dialled: list[str]) -> None:
    connector = aiohttp.TCPConnector(resolver=Names(["127.0.0.1"]), socket_factory=public_socket)
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as refused:
            await session.get("http://rebound.example:9/")

    assert isinstance(refused.value.os_error, PrivateAddress)
    assert dialled == []


# -- tokens and redirects


@dataclass
class Host:
    """A web server; *asked* has path and Authorization of each request, *leads* where it redirects to."""

    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    leads: str | None = None

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("Authorization")))
        if self.leads is not None and request.path == "/start":
            return web.Response(status=302, headers={"Location": self.leads})
        return web.Response(body=b"0123456789")


@asynccontextmanager
async def serving() -> AsyncIterator[Host]:
    host, app = Host(), web.Application()
    app.router.add_get("/{path:.*}", host.answer)
    async with served(app, access_log=None) as url:
        host.url = url
        yield host


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with serving() as found:
        yield found


@pytest.fixture
async def other() -> AsyncIterator[Host]:
    async with serving() as found:
        yield found


async def started(host: Host, *, allow_private: bool) -> None:
    sources = ModelSources(None, {"hf": "hf_secret"}, allow_private=allow_private, own={origin_of(host.url)})
    async with sources.session() as http:
        await sources.open(Web(f"{host.url}/start", "hf"), http).facts()


async def test_a_token_follows_a_redirect_within_its_origin(host: Host) -> None:
    host.leads = "/there"
    await started(host, allow_private=True)

    assert host.asked == [("/start", "Bearer hf_secret"), ("/there", "Bearer hf_secret")]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_token_does_not_follow_a_redirect_to_another_port_or_name(host: Host, other: Host, name: str) -> None:
    host.leads = f"{other.url}/there".replace("127.0.0.1", name)
    await started(host, allow_private=True)

    assert other.asked == [("/there", None)]


async def test_a_token_does_not_follow_a_redirect_to_its_port_under_another_name(host: Host) -> None:
    host.leads = f"{host.url}/there".replace("127.0.0.1", "localhost")
    await started(host, allow_private=True)

    assert host.asked == [("/start", "Bearer hf_secret"), ("/there", None)]


async def test_the_own_bucket_cannot_send_on_to_another_private_address(host: Host, other: Host) -> None:
    host.leads = f"{other.url}/there"
    with pytest.raises(SourceFailed, match="not https"):
        await started(host, allow_private=False)

    assert len(host.asked) == 1
    assert other.asked == []


@pytest.mark.parametrize(
    "location",
    ["https://\\127.0.0.1/", "https://[::1", "ftp://x/", "file:///etc/passwd", "https://a@b/", "https://127.1/"],
)
async def test_a_redirect_to_what_is_no_address_is_refused(host: Host, location: str) -> None:
    host.leads = location
    with pytest.raises(SourceFailed) as failed:
        await started(host, allow_private=True)

    assert failed.value.for_good


@pytest.mark.parametrize("own", [True, False])
async def test_the_proxy_follows_no_redirect_and_asks_its_own_bucket_only(
    host: Host, other: Host, tmp_path: Path, own: bool
) -> None:
    host.leads = f"{other.url}/there"
    async with large_files(host.url if own else other.url) as large:
        with pytest.raises(LargeFileLost):
            await large.fetch(PromptId("job"), result(f"{host.url}/start"), tmp_path / "x")

    assert len(host.asked) == own
    assert other.asked == []


async def test_the_own_bucket_may_be_anywhere(host: Host, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.touch()
    async with large_files(host.url) as large:
        await large.fetch(PromptId("job"), result(f"{host.url}/x"), tmp_path / "x")
    await InputFetch(host.url, allow_private=False).fetch(f"{host.url}/x", part, 10)

    assert (tmp_path / "x").read_bytes() == part.read_bytes() == b"0123456789"


@pytest.mark.parametrize(
    ("source", "token"),
    [
        ("https://huggingface.co/o/r/a.bin", "hf"),
        ("https://HuggingFace.co:443/o/r/a.bin", "hf"),
        ("hf://o/r/a.bin", "hf"),
        ("https://civitai.com/api/download/models/1", "civitai"),
        ("http://huggingface.co/o/r/a.bin", None),
        ("https://huggingface.co:8443/o/r/a.bin", None),
        ("https://huggingface.co./o/r/a.bin", None),
        ("https://cdn.huggingface.co/o/r/a.bin", None),
        ("https://huggingface.co.evil.example/a.bin", None),
        ("https://evilhuggingface.co/a.bin", None),
        ("http://civitai.com/api/download/models/1", None),
        ("https://anything.civitai.com/a.bin", None),
    ],
)
def test_a_token_goes_to_its_exact_origin(source: str, token: str | None) -> None:
    where = address(source)

    assert isinstance(where, Web)
    assert where.token == token
