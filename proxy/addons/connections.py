"""Connections: how many there may be, and how long each may take to say what it wants."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from mitmproxy.connection import Client
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

logger = logging.getLogger(__name__)

FIRST_S = 30.0
"""until a new connection must have sent the header of a request"""
_LOOK_S = 1.0
_QUIET_S = 60.0
"""between two lines of the log about the same"""


class Connections:
    """The addon. *most* is how many connections there may be, *handlers* has mitmproxy's handler of each by its id.

    A websocket may stay, and so may an idle connection that has asked for something before.
    """

    def __init__(
        self, most: int, handlers: Mapping[Any, ConnectionHandler], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._handlers, self._clock = most, handlers, clock
        self._deadlines: dict[str, float] = {}
        self._said_at: dict[str, float] = {}
        self._looking: asyncio.Task[None] | None = None

    def client_connected(self, client: Client) -> None:
        if len(self._handlers) > self._most and not self._make_room():
            client.error = "too many connections"
            self._seldom("there are %d connections already: new ones are turned away", self._most)
            return
        self.set_deadline(client.id, FIRST_S)
        transport = self._handlers[client.id].transports[client]
        if isinstance(transport.reader, asyncio.StreamReader):
            transport.reader = FairReader(transport.reader)  # type: ignore[assignment]

    def client_disconnected(self, client: Client) -> None:
        self._deadlines.pop(client.id, None)

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """When a connection breaks while something arrives by it, mitmproxy 12.2 tells nobody, and the client waits."""
        handler = self._handlers.get(data.client.id)
        if handler is not None and data.server in handler.transports:
            forgotten = handler.transports.pop(data.server)
            if forgotten.writer is not None:
                forgotten.writer.close()
            self._close(handler)

    def set_deadline(self, connection: str, seconds: float | None) -> None:
        """Close *connection* in so many *seconds*; None: not at all."""
        if seconds is None:
            self._deadlines.pop(connection, None)
        else:
            self._deadlines[connection] = self._clock() + seconds

    def running(self) -> None:
        self._looking = asyncio.create_task(self._look_again())

    async def done(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self.close_overdue()

    def close_overdue(self) -> None:
        """Close connections whose request has not arrived in time."""
        now = self._clock()
        overdue = [connection for connection, deadline in self._deadlines.items() if deadline <= now]
        for connection in overdue:
            del self._deadlines[connection]
            self._close(self._handlers[connection])
        if overdue:
            logger.info("closed %d connections that did not send a whole request in time", len(overdue))

    def _make_room(self) -> bool:
        """Close the one that has kept us waiting longest for a request: a crowd that asks nothing shuts nobody out."""
        waiting = next(iter(self._deadlines), None)
        if waiting is None:
            return False
        del self._deadlines[waiting]
        self._close(self._handlers[waiting])
        self._seldom("there are %d connections already: the ones without a request are closed", self._most)
        return True

    def _close(self, handler: ConnectionHandler) -> None:
        with contextlib.suppress(KeyError):  # it has just closed by itself
            handler.close_connection(handler.client)

    def say_out_of_descriptors(self, error: OSError) -> None:
        """The system gives this process no more of them."""
        self._seldom("no connection can be accepted: %s (%d are open)", error.strerror, len(self._handlers))

    def _seldom(self, text: str, *more: object) -> None:
        """Say it, but not again and again."""
        now = self._clock()
        if now - self._said_at.get(text, float("-inf")) > _QUIET_S:
            self._said_at[text] = now
            logger.warning(text, *more)


class FairReader:
    """Reads from *source* after the others have had their turn: mitmproxy would look at all that has come in one go."""

    def __init__(self, source: asyncio.StreamReader) -> None:
        self._source = source

    async def read(self, most: int) -> bytes:
        await asyncio.sleep(0)
        return await self._source.read(most)
