"""How large the file behind a model's address is: asked of its host before anybody says yes to it.

Source: Hugging Face, docs "Hub API", ``X-Linked-Size`` on the redirect of ``/resolve/``; MDN, ``Content-Range``.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urljoin

import aiohttp

from engine.prompt.named_models import Hosts
from storage.web import WebClient, web_client
from wire.addresses import AddressRefused

_ASK_S = 15.0
_AT_ONCE = 8
_REDIRECTS = 5
_SIZE = re.compile(r"[0-9]{1,18}")
_REDIRECT = (301, 302, 303, 307, 308)
_FIRST_BYTE = {"Range": "bytes=0-0", "Accept-Encoding": "identity"}
"""says as much as HEAD, which the signed addresses behind Civitai refuse"""


class SizeUnknown(Exception):
    """The host does not say how large the file is, with the reason in a sentence."""


class ModelSizes:
    """Asks *hosts* only; a redirect may lead on to any public https address."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def size(self, url: str) -> int:
        """Bytes of the file at *url*. Raises SizeUnknown."""
        try:
            async with self._slots, asyncio.timeout(_ASK_S), web_client(allowed=self._hosts.own) as http:
                return await _followed(http, url)
        except AddressRefused as error:
            raise SizeUnknown(f"{error}.") from error
        except TimeoutError as error:
            raise SizeUnknown("Its host does not answer.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SizeUnknown(f"Its host cannot be asked: {error or type(error).__name__}.") from error


async def _followed(http: WebClient, url: str) -> int:
    for _ in range(_REDIRECTS):
        async with _answer(http, url) as response:
            linked = response.headers.get("X-Linked-Size", "")
            if response.status < 400 and _SIZE.fullmatch(linked):
                return int(linked)
            if response.status not in _REDIRECT:
                return _size_of(response)
            url = urljoin(url, response.headers.get("Location", ""))
    raise SizeUnknown("Its host redirects without end.")


@asynccontextmanager
async def _answer(http: WebClient, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
    """The headers; the connection is closed with whatever the host still sends."""
    response = await http.get(url, _FIRST_BYTE)
    try:
        yield response
    finally:
        response.close()


def _size_of(response: aiohttp.ClientResponse) -> int:
    if response.status in (401, 403):
        raise SizeUnknown("Its host wants you to sign in: the worker needs HF_TOKEN or CIVITAI_TOKEN for it.")
    if response.status >= 400:
        raise SizeUnknown(f"Its host answers {response.status}.")
    total = response.headers.get("Content-Range", "").rpartition("/")[2]
    size = total if response.status == 206 else response.headers.get("Content-Length", "")
    if not _SIZE.fullmatch(size):
        raise SizeUnknown("Its host does not say how large it is.")
    return int(size)
