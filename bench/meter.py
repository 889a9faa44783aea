"""A TCP relay that counts what goes through it to its server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PIECE = 256 * 1024


class Meter:
    """*sent* counts the bytes from clients to the server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent = 0
        self.url = ""

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(self._copy(reader, server_writer, 1), self._copy(server_reader, writer, 0))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: int) -> None:
        try:
            while piece := await reader.read(_PIECE):
                self.sent += len(piece) * counted
                writer.write(piece)
                await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def metered(url: str) -> AsyncIterator[Meter]:
    """A relay before the server at *url*."""
    meter = Meter(int(url.rpartition(":")[2]))
    server = await asyncio.start_server(meter.relay, "127.0.0.1", 0)
    meter.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield meter
    finally:
        server.close()
