"""HTTP as a client that nobody has brought up speaks it: bytes to a socket, and what comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

_SILENCE_S = 50.0


@dataclass
class RawClient:
    """*reader* and *writer* of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        """Stops when the server has closed the connection."""
        with contextlib.suppress(ConnectionError, AttributeError):  # asyncio itself stumbles over a broken one
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def send_all(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            await self.send(piece)

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next answer; 0 when the connection ends without one."""
        async with asyncio.timeout(_SILENCE_S):
            head = await self._until(b"\r\n\r\n")
            if not head:
                return 0, b""
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await self.reader.readexactly(int(length[0].split(b":")[1])) if length else b""
            return int(head.split(b" ")[1]), body

    async def _until(self, end: bytes) -> bytes:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            return await self.reader.readuntil(end)
        return b""

    async def is_silent(self, for_s: float) -> bool:
        """Whether nothing has come, and comes, for a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                await self.reader._wait_for_data("is_silent")  # type: ignore[attr-defined]
        return not self.reader._buffer  # type: ignore[attr-defined]

    async def is_closed(self, within_s: float) -> bool:
        """Whether the server closes the connection; what it still says does not count."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(within_s):
                while await self.reader.read(65536):
                    pass
            return True
        return self.reader.at_eof()


@asynccontextmanager
async def raw_client(url: str) -> AsyncIterator[RawClient]:
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
