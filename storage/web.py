"""WebClient: asks addresses that somebody else has named. What is private is not asked, whatever it is called.

A name is judged by what it resolves to, and the address that was judged is the one that is connected to: a name that
means another address the next time does not get past it.
"""

import socket
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from wire.addresses import AddressRefused, Origin, ip_address, is_public, origin_of

_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)


class PrivateAddress(OSError):
    """The address that would be connected to is private."""


class PublicResolver(AbstractResolver):
    """Refuses a name when any of its addresses is private."""

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for entry in found:
            _require_public(entry["host"], host)
        return found

    async def close(self) -> None:
        await self._inner.close()


def public_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for *address*, as asyncio writes it, right before it is connected to. Raises PrivateAddress."""
    family, kind, protocol, _, target = address
    _require_public(str(target[0]), str(target[0]))
    return socket.socket(family, kind, protocol)


def _require_public(address: str, host: str) -> None:
    found = ip_address(address)
    if found is None or not is_public(found):
        raise PrivateAddress(f"{host} is a private address")


class WebClient:
    """Made by :func:`web_client`."""

    def __init__(
        self, public: aiohttp.ClientSession, anything: aiohttp.ClientSession, allowed: Collection[Origin] | None
    ):
        self._public, self._anything, self._allowed = public, anything, allowed

    async def get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """The answer, which may be a redirect: that is another address, to be asked for with another call.

        Raises AddressRefused, aiohttp.ClientError, OSError.
        """
        origin, target = origin_of(url), _parsed(url)
        trusted = self._allowed is None or origin in self._allowed
        if not trusted:
            _require_foreign(origin)
        http = self._anything if trusted else self._public
        try:
            return await http.get(target, headers=headers, allow_redirects=False)
        except (aiohttp.ClientError, OSError) as error:
            cause = getattr(error, "os_error", error)
            if isinstance(cause, PrivateAddress):
                raise AddressRefused(str(cause)) from error
            raise


def _parsed(url: str) -> URL:
    """What aiohttp will ask: another reading of *url* than ours is refused."""
    try:
        target = URL(url)
    except ValueError as error:
        raise AddressRefused("it is not a web address") from error
    origin = origin_of(url)
    if (target.scheme, target.raw_host, target.port) != (origin.scheme, origin.host.strip("[]"), origin.port):
        raise AddressRefused("it is not a web address that everybody reads alike")
    return target


def _require_foreign(origin: Origin) -> None:
    """An address of somebody else is public, and comes by https: nobody on the way may change what it sends."""
    if origin.scheme != "https":
        raise AddressRefused(f"{origin.host} is not https")
    address = ip_address(origin.host)
    if address is not None and not is_public(address):
        raise AddressRefused(f"{origin.host} is a private address")


@asynccontextmanager
async def web_client(*, allowed: Collection[Origin] | None = ()) -> AsyncIterator[WebClient]:
    """A client for public https addresses, and for the origins *allowed* wherever they are; None allows all."""
    public = aiohttp.TCPConnector(limit=0, resolver=PublicResolver(), socket_factory=public_socket)
    async with _session(public) as guarded, _session(aiohttp.TCPConnector(limit=0)) as anything:
        yield WebClient(guarded, anything, allowed)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False)
