"""Where the bytes of a model come from: a web server or a bucket, behind one interface."""

import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from storage.objects import S3Location
from worker.models.manifest import Address, S3Source, Web

_REDIRECTS = 10
_S3_TRIES = 5
_CHUNK = 1024 * 1024
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)
_TOKENS = {"hf": "HF_TOKEN", "civitai": "CIVITAI_TOKEN"}


class SourceFailed(Exception):
    """A source did not send its bytes; when *for_good*, asking again is of no use."""

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True, slots=True)
class Facts:
    """*size* is None when the server does not say; *version* changes with the content; *ranged*: it sends parts."""

    size: int | None
    version: str
    ranged: bool


class ModelSource(Protocol):
    async def facts(self) -> Facts: ...

    def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        """The bytes from *start* up to *end*, to the end of the file for None; raises SourceFailed."""
        ...


class PrivateAddress(OSError):
    """A name that resolves to a private address."""


class PublicResolver(AbstractResolver):
    """Refuses private addresses, also when a name resolves to another address the second time."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(entry["host"]) for entry in found):
            raise PrivateAddress(f"{host} is a private address (DOWNLOADS_ALLOW_PRIVATE)")
        return found

    async def close(self) -> None:
        await self._inner.close()


def is_public(host: str) -> bool:
    """Whether *host* is a public address; a name counts as one here, because the resolver checks it later."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return True
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_global


class ModelSources:
    """*bucket* has the keys to S3, *tokens* go by name (``hf``, ``civitai``). *allow_private* allows plain http too."""

    def __init__(self, bucket: S3Location | None, tokens: Mapping[str, str], *, allow_private: bool) -> None:
        self._bucket, self._tokens, self._allow_private = bucket, tokens, allow_private

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        resolver = None if self._allow_private else PublicResolver()
        connector = aiohttp.TCPConnector(limit=0, resolver=resolver)
        async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False) as http:
            yield http

    def open(self, address: Address, http: aiohttp.ClientSession) -> ModelSource:
        match address:
            case Web(url=url, token=token):
                return WebSource(http, url, token, self._tokens.get(token or ""), allow_private=self._allow_private)
            case S3Source(bucket=bucket, key=key):
                return self._in_bucket(bucket, key)

    def _in_bucket(self, name: str, key: str) -> ModelSource:
        if self._bucket is None:
            unset = "BUCKET_ENDPOINT_URL, BUCKET_ACCESS_KEY_ID, BUCKET_SECRET_ACCESS_KEY"
            raise SourceFailed(f"s3://{name}/{key}: there is no S3 to read from: set {unset}", for_good=True)
        from storage.s3 import Bucket  # noqa: PLC0415  boto3 takes a second to import
        from worker.models.bucket_source import BucketSource  # noqa: PLC0415

        return BucketSource(Bucket(replace(self._bucket, name=name), tries=_S3_TRIES), key)


class WebSource:
    def __init__(
        self, http: aiohttp.ClientSession, url: str, token: str | None, secret: str | None, *, allow_private: bool
    ) -> None:
        self._http, self._url, self._token, self._secret = http, URL(url), token, secret
        self._allow_private = allow_private
        self._version = ""

    async def facts(self) -> Facts:
        """Asks for the first byte: that says more than HEAD, which signed addresses refuse."""
        async with self._response(0, 1) as response:
            headers = response.headers
            self._version = headers.get("ETag") or headers.get("Last-Modified") or ""
            if response.status == 206:
                total = headers.get("Content-Range", "").rpartition("/")[2]
                return Facts(int(total) if total.isdigit() else None, self._version, ranged=total.isdigit())
            return Facts(response.content_length, self._version, ranged=False)

    async def read(self, start: int, end: int | None) -> AsyncIterator[bytes]:
        async with self._response(start, end) as response:
            if start and response.status != 206:
                raise SourceFailed(f"{self._host()} sent the whole file instead of a part")
            version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            if version != self._version:
                raise SourceFailed(f"{self._host()}: the file changed while it was fetched")
            try:
                async for chunk in response.content.iter_chunked(_CHUNK):
                    yield chunk
            except (aiohttp.ClientError, OSError) as error:
                raise SourceFailed(f"{self._host()}: {error or 'timed out'}") from error

    @asynccontextmanager
    async def _response(self, start: int, end: int | None) -> AsyncIterator[aiohttp.ClientResponse]:
        """Redirects are followed by hand: each is checked, and the token stays with its own host."""
        url = self._url
        for _ in range(_REDIRECTS):
            self._check(url)
            try:
                response = await self._http.get(url, headers=self._headers(url, start, end), allow_redirects=False)
            except (aiohttp.ClientError, OSError) as error:
                cause = getattr(error, "os_error", error)
                if isinstance(cause, PrivateAddress):
                    raise SourceFailed(str(cause), for_good=True) from error
                raise SourceFailed(f"{url.host}: {error or 'timed out'}") from error
            async with response:
                if response.status not in (301, 302, 303, 307, 308):
                    self._check_status(response)
                    yield response
                    return
                url = url.join(URL(response.headers.get("Location", "")))
        raise SourceFailed(f"{self._host()} redirects without end", for_good=True)

    def _headers(self, url: URL, start: int, end: int | None) -> dict[str, str]:
        wanted = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{'' if end is None else end - 1}"}
        own = url.host == self._url.host and url.scheme == self._url.scheme
        return wanted | ({"Authorization": f"Bearer {self._secret}"} if self._secret and own else {})

    def _check(self, url: URL) -> None:
        if self._allow_private:
            return
        if url.scheme != "https":
            raise SourceFailed(f"{url.host} is not https", for_good=True)
        if not is_public(url.host or ""):
            raise SourceFailed(f"{url.host} is a private address (DOWNLOADS_ALLOW_PRIVATE)", for_good=True)

    def _check_status(self, response: aiohttp.ClientResponse) -> None:
        if response.status in (401, 403):
            how = f": set {_TOKENS[self._token]} and accept the model's licence" if self._token else ""
            raise SourceFailed(f"{self._host()} refuses ({response.status}){how}", for_good=True)
        if response.status >= 400:
            gone = response.status < 500 and response.status not in (408, 429)
            raise SourceFailed(f"{self._host()} answers {response.status}", for_good=gone)

    def _host(self) -> str:
        return self._url.host or str(self._url)
