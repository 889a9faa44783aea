"""Everybody at once at the proxy, as a process of its own: ``python -m bench.crowd URL SECONDS SHARE``.

Idle connections, websockets, histories, bodies of a gigabyte and headers that come slowly, for so many SECONDS. SHARE
is which part of the whole crowd comes. It prints a line of JSON when all are there.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

import aiohttp

from proxy.descriptors import descriptors, raise_limit

IDLE, SOCKETS, HISTORIES, BODIES, SLOW = 20_000, 300, 500, 4, 200
_ARRIVING_S = 25.0
"""for the idle connections; who has not come by then stays away"""
_TOGETHER = 50
_SETTLING_S = 4.0
_SPARE = 1_500
"""descriptors of this process for the others"""
_MB = b"x" * 1_000_000
_GIGABYTE = 1_000


class Crowd:
    def __init__(self, url: str) -> None:
        self._url = url
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)

    async def arrive(self, idle: int, exits: AsyncExitStack) -> int:
        """How many idle connections there are."""
        deadline, opened = time.monotonic() + _ARRIVING_S, 0
        for _ in range(min(idle, descriptors() - _SPARE) // _TOGETHER):
            if time.monotonic() > deadline:
                break
            opening = (asyncio.open_connection(self._host, self._port) for _ in range(_TOGETHER))
            for _, writer in await asyncio.gather(*opening):
                exits.callback(writer.close)
            opened += _TOGETHER
        return opened

    async def listen(self, sockets: int, session: aiohttp.ClientSession, exits: AsyncExitStack) -> None:
        """Pages, each of which waits for what comes."""
        for number in range(sockets):
            socket = await session.ws_connect(f"{self._url}/ws?clientId=crowd-{number}")
            exits.push_async_callback(socket.close)

    async def repeat(self, once: Callable[[], Coroutine[Any, Any, None]], until: float) -> None:
        """Does it again and again until the time is over."""
        while (left_s := until - time.monotonic()) > 0:
            with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(left_s):
                    await once()

    async def history(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{self._url}/history?max_items=64") as response:
            await response.read()

    async def body(self) -> None:
        """A gigabyte, as far as it is taken."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        with contextlib.closing(writer):
            writer.write(f"POST /prompt HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n".encode())
            writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(_GIGABYTE):
                writer.write(b"%x\r\n%s\r\n" % (len(_MB), _MB))
                await writer.drain()
            await reader.read(100)

    async def slow(self) -> None:
        """A header that comes one character a second."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        with contextlib.closing(writer):
            while not reader.at_eof():
                writer.write(b"G")
                await writer.drain()
                await asyncio.sleep(1)


async def come(url: str, seconds: float, share: float) -> None:
    raise_limit()
    connector = aiohttp.TCPConnector(limit=0)
    async with AsyncExitStack() as exits:
        session = await exits.enter_async_context(aiohttp.ClientSession(connector=connector))
        crowd = Crowd(url)
        await crowd.listen(round(SOCKETS * share), session, exits)
        idle = await crowd.arrive(round(IDLE * share), exits)
        many = [
            *[lambda: crowd.history(session)] * round(HISTORIES * share),
            *[crowd.body] * round(BODIES * share),
            *[crowd.slow] * round(SLOW * share),
        ]
        until = time.monotonic() + _SETTLING_S + seconds
        async with asyncio.TaskGroup() as tasks:
            for once in many:
                tasks.create_task(crowd.repeat(once, until))
            await asyncio.sleep(_SETTLING_S)
            print(json.dumps({"idle": idle, "others": len(many) + round(SOCKETS * share)}), flush=True)


if __name__ == "__main__":
    asyncio.run(come(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
