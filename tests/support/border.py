"""The proxy's front with its guards, an attacker's servers, and a Chromium to which names and ports lead as told.

The attacker's pages are everywhere where the proxy is not: the browser's resolver sends every other name and port of
the table to the attacker's two servers, so that a page can come from port 80 of the proxy's own host.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mitmproxy import http
from playwright.async_api import Frame

from proxy.addons.reroute import Reroute
from proxy.addons.streaming import Streaming
from proxy.websocket.sockets import SECRET_HEADER, Sockets
from tests.proxy.addons.conftest import Upstream, running_front, running_upstream
from tests.support.until import until

POSTS = ("/prompt", "/upload/image", "/runpod/api/jobs/x/cancel")
MORE_POSTS = ("/api/prompt", "/queue", "/api/queue", "/interrupt", "/history", "/upload/mask", "/api/jobs/cancel")
GETS = ("/view",)
SOCKETS = ("/ws", "/api/ws")
POST_WAYS = ("no-cors", "keepalive", "upload", "cors", "preflight", "redirect", "xhr", "beacon", "ping",
             "urlencoded", "plain", "multipart", "worker", "service-worker")  # fmt: skip
GET_WAYS = ("img", "script", "style", "iframe", "object", "audio", "fetched", "read")
_ATTACKS = (Path(__file__).parent / "attacks.js").read_text(encoding="utf-8")
_SERVICE_WORKER = """onmessage = (event) => event.waitUntil(
    fetch(event.data, { method: "POST", mode: "no-cors", body: "{}" }).catch(() => {})
        .finally(() => event.ports[0].postMessage(0)));"""

_PAGE = "<!doctype html><title>attacker</title><body>"

Sending = tuple[str, str]
"""path, and how a page has sent it: ``via``"""


def sendings(without: Sequence[str] = ()) -> dict[str, set[Sending]]:
    """Everything that attacks.js sends, by kind, but for the ways that a page does not have."""
    return {
        "post": {(path, way) for path in POSTS for way in POST_WAYS if way not in without}
        | {(path, "no-cors") for path in MORE_POSTS},
        "get": {(path, way) for path in GETS for way in GET_WAYS if way not in without},
        "socket": {(path, "socket") for path in SOCKETS},
    }


@dataclass
class Answers:
    """An addon that notes how what came from a page was answered."""

    statuses: dict[Sending, int] = field(default_factory=dict)

    def response(self, flow: http.HTTPFlow) -> None:
        if flow.response is not None and "via" in flow.request.query:
            self.statuses[flow.request.path.partition("?")[0], flow.request.query["via"]] = flow.response.status_code


@dataclass
class Border:
    """*port* is the proxy's; *http* and *https* are the attacker's; *tls* leads to the proxy, as a tunnel does."""

    port: int
    http: int
    https: int
    tls: int
    upstream: Upstream
    answers: Answers

    def filled(self, address: str) -> str:
        return address.format(proxy=self.port, other=self.http)

    def flags(self) -> tuple[str, ...]:
        """For Chromium: every name leads to this machine; ports 80 and 443 to the attacker, but for the tunnel's."""
        rules = (
            f"MAP box.example:443 127.0.0.1:{self.tls}",
            f"MAP *:80 127.0.0.1:{self.http}",
            f"MAP *:443 127.0.0.1:{self.https}",
            f"MAP *:8443 127.0.0.1:{self.https}",
            "MAP * 127.0.0.1",
        )
        return f"--host-resolver-rules={','.join(rules)}", "--ignore-certificate-errors"

    async def attacked(self, frame: Frame, target: str, expected: set[Sending]) -> dict[Sending, int]:
        """How the proxy at *target* answered what the page in *frame* sent, once all that is *expected* was."""
        self.answers.statuses.clear()
        self.upstream.seen.clear()
        opened = await frame.evaluate(_ATTACKS, [target, list(POSTS), list(MORE_POSTS), list(GETS)])

        async def all_answered() -> bool:
            return expected <= self.answers.statuses.keys()

        await until(all_answered, 60, lambda: str(sorted(expected - self.answers.statuses.keys())))
        statuses = dict(self.answers.statuses)
        assert sorted(opened) == sorted(
            path for path, way in statuses if way == "socket" and statuses[path, way] == 101
        )
        return statuses


@asynccontextmanager
async def running_border(folder: Path, guards: Callable[[Sockets], Sequence[object]]) -> AsyncIterator[Border]:
    """*guards* are the addons that refuse; *folder* gets the attacker's certificate."""
    answers = Answers()
    async with (
        aiohttp.ClientSession() as session,
        running_upstream() as upstream,
        _sockets(upstream.url, session) as sockets,
        running_front(upstream.url, [answers, *guards(sockets), Reroute(sockets, SECRET_HEADER), Streaming()]) as url,
        _attacker(_certificate(folder)) as (plain, secure),
        _tunnel(int(url.rpartition(":")[2]), _certificate(folder)) as tls,
    ):
        yield Border(int(url.rpartition(":")[2]), plain, secure, tls, upstream, answers)


@asynccontextmanager
async def _sockets(upstream: str, session: aiohttp.ClientSession) -> AsyncIterator[Sockets]:
    sockets = Sockets(upstream, session, lambda: 0, lambda: None, lambda: None)
    await sockets.start()
    try:
        yield sockets
    finally:
        await sockets.stop()


@asynccontextmanager
async def _attacker(context: ssl.SSLContext) -> AsyncIterator[tuple[int, int]]:
    """The ports of the attacker's servers, without TLS and with it."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _attackers_page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1], runner.addresses[1][1]
    await runner.cleanup()


async def _attackers_page(request: web.Request) -> web.Response:
    match request.path:
        case "/sw.js":
            return web.Response(text=_SERVICE_WORKER, content_type="text/javascript")
        case "/redirect":
            raise web.HTTPTemporaryRedirect(request.query["to"])
        case "/sandboxed":
            sandbox = {"Content-Security-Policy": "sandbox allow-scripts allow-forms"}
            return web.Response(text=_PAGE, content_type="text/html", headers=sandbox)
    return web.Response(text=_PAGE, content_type="text/html")


@asynccontextmanager
async def _tunnel(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a server that takes TLS off and passes everything on to *port*."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, before = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await asyncio.gather(_copy(reader, before), _copy(behind, writer))

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    finally:
        writer.close()


def _certificate(folder: Path) -> ssl.SSLContext:
    """Of a server whose certificate nobody has signed; the browser is told to take it."""
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
