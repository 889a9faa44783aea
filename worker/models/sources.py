"""Where the bytes of a model come from: a web server or a bucket, behind one interface."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import urljoin

import aiohttp

from storage.objects import S3Location
from storage.web import WebClient, web_client
from wire.addresses import AddressRefused, Origin, origin_of
from worker.models.manifest import Address, S3Source, Web

_REDIRECTS = 10
_S3_TRIES = 5
_CHUNK = 1024 * 1024
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


class ModelSources:
    """*bucket* has the keys to S3, *tokens* go by name (``hf``, ``civitai``). *allow_private* allows plain http too.

    The addresses of the origins *own* may always be private.
    """

    def __init__(
        self,
        bucket: S3Location | None,
        tokens: Mapping[str, str],
        *,
        allow_private: bool,
        own: Collection[Origin] = (),
    ) -> None:
        self._bucket, self._tokens = bucket, tokens
        self._allowed = None if allow_private else own

    def session(self) -> AbstractAsyncContextManager[WebClient]:
        return web_client(allowed=self._allowed)

    def open(self, address: Address, http: WebClient) -> ModelSource:
        """Raises SourceFailed."""
        match address:
            case Web(url=url, token=token):
                return WebSource(http, url, token, self._tokens.get(token or ""))
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
    """*token* is the name of *secret*, which goes to the origin of *url* only. Raises SourceFailed for a broken one."""

    def __init__(self, http: WebClient, url: str, token: str | None, secret: str | None) -> None:
        self._http, self._url, self._token, self._secret = http, url, token, secret
        self._origin = _origin(url)
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
        """Redirects are followed by hand: each is checked, and the token stays with its own origin."""
        url, origin = self._url, self._origin
        for _ in range(_REDIRECTS):
            response = await self._asked(url, origin, start, end)
            async with response:
                if response.status not in (301, 302, 303, 307, 308):
                    self._check_status(response)
                    yield response
                    return
                url = _joined(url, response.headers.get("Location", ""))
                origin = _origin(url)
        raise SourceFailed(f"{self._host()} redirects without end", for_good=True)

    async def _asked(self, url: str, origin: Origin, start: int, end: int | None) -> aiohttp.ClientResponse:
        wanted = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{'' if end is None else end - 1}"}
        secret = {"Authorization": f"Bearer {self._secret}"} if self._secret and origin == self._origin else {}
        try:
            return await self._http.get(url, wanted | secret)
        except AddressRefused as error:
            raise SourceFailed(f"{error} (DOWNLOADS_ALLOW_PRIVATE)", for_good=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SourceFailed(f"{origin.host}: {error or 'timed out'}") from error

    def _check_status(self, response: aiohttp.ClientResponse) -> None:
        if response.status in (401, 403):
            how = f": set {_TOKENS[self._token]} and accept the model's licence" if self._token else ""
            raise SourceFailed(f"{self._host()} refuses ({response.status}){how}", for_good=True)
        if response.status >= 400:
            gone = response.status < 500 and response.status not in (408, 429)
            raise SourceFailed(f"{self._host()} answers {response.status}", for_good=gone)

    def _host(self) -> str:
        return self._origin.host


def _origin(url: str) -> Origin:
    try:
        return origin_of(url)
    except AddressRefused as error:
        raise SourceFailed(str(error), for_good=True) from error


def _joined(url: str, location: str) -> str:
    """Where a redirect leads."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise SourceFailed("a redirect leads to something that is not an address", for_good=True) from error
