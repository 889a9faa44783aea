"""Http1: the budgets of a connection that mitmproxy's own HTTP/1 lacks.

It keeps in memory whatever comes: a header without end, a body that an addon wants to see whole, and what a client
sends while it waits for its answer. mitmproxy has no public place for such limits, so this module stands on its layers,
as its own client playback does; tests/security/test_request_budgets.py shows over real sockets that they hold.
"""

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial
from weakref import WeakKeyDictionary

from mitmproxy import http
from mitmproxy.net.http.http1 import assemble_response, expected_http_body_size
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import HttpLayer
from mitmproxy.proxy.layers.http import HttpStream
from mitmproxy.proxy.layers.http._base import HttpEvent, ReceiveHttp
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseHeaders,
)
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.utils import human

from proxy.addons.responses import comfy_error
from proxy.addons.routes import BODY_MAX, merged_max, route
from wire.limits import MIB

logger = logging.getLogger(__name__)

HEADER_MAX = 64 * 1024
"""bytes of a header, and of what may wait behind a request"""
FIELDS_MAX = 256
TOGETHER_MAX = 24 * MIB
"""bytes of all bodies that are read whole at one time"""
CHUNKS_MAX = 4_096
"""chunks of a body that come in one go of 64 KiB"""
HEADER_S, BODY_S = 30.0, 120.0
"""until a header, and a body that is read whole, must be there"""
_SMALL = 64 * 1024
"""a body with fewer bytes is always read"""
_OTHER_MAX = MIB
"""bytes of a body that is neither read here nor passed on as it comes"""
_END_OF_HEADER = re.compile(rb"\n\r?\n")

Steps = layer.CommandGenerator[None]
SetDeadline = Callable[[float | None], None]
"""told the seconds after which the connection is closed unless it hears otherwise; None: never"""


class Http1:
    """The addon; *set_deadline* is told the connection's id as well."""

    def __init__(self, set_deadline: Callable[[str, float | None], None]) -> None:
        self._set_deadline = set_deadline
        self._held = Held()

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        client = nextlayer.context.client
        for found in nextlayer.context.layers:
            if isinstance(found, HttpLayer) and client not in found.connections:
                deadline = partial(self._set_deadline, client.id)
                found.connections[client] = BoundedServer(found.context.fork(), self._held, deadline)
                found.make_stream = partial(_make_stream, found)  # type: ignore[method-assign]


class Held:
    """How much of their bodies is in memory, by the connections that have more than a little."""

    def __init__(self) -> None:
        self._sizes: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def has_room(self, connection: object, size: int) -> bool:
        """Whether *connection* may hold *size* bytes; until it lets go they count for the others."""
        if size <= _SMALL:
            return True
        self._sizes[connection] = size
        return sum(self._sizes.values()) <= TOGETHER_MAX

    def let_go(self, connection: object) -> None:
        self._sizes.pop(connection, None)


class BoundedServer(Http1Server):
    """The side of the browser. What is over a limit is answered at once, and what still comes is thrown away."""

    def __init__(self, context: Context, held: Held, set_deadline: SetDeadline) -> None:
        super().__init__(context)
        self._held, self._set_deadline = held, set_deadline
        self._patience_s: float | None = HEADER_S
        self._refused = False
        self._body_max: int | None = None
        self._read = 0

    def _handle_event(self, event: events.Event) -> Steps:
        if isinstance(event, events.ConnectionClosed):
            self._held.let_go(self)
        if self._refused:
            if isinstance(event, events.ConnectionClosed):
                yield commands.CloseConnection(self.conn)
            return
        for command in super()._handle_event(event):
            if isinstance(command, commands.CloseConnection) and self._still_sends(event):
                self._refused = True
            else:
                yield command
        self._look()

    def _still_sends(self, event: events.Event) -> bool:
        """Whether the client is in the middle of a request: it reads no answer before it has sent all of it."""
        return not self.request_done and not isinstance(event, events.ConnectionClosed)

    def _look(self) -> None:
        """How long to wait for what is missing. That is said when it begins, so that nobody can draw it out."""
        patience_s: float | None = None
        if self._refused or (self.state == self.read_headers and self.buf):
            patience_s = HEADER_S
        elif self.state == self.read_body and not self._is_streamed():
            patience_s = BODY_S
        if patience_s != self._patience_s:
            self._patience_s = patience_s
            self._set_deadline(patience_s)

    def _refuse(self, status: int, error_type: str, message: str) -> Steps:
        """Answer, and throw away what still comes."""
        logger.warning("refused a request of %s: %s", human.format_address(self.conn.peername), message)
        self._refused = True
        self._held.let_go(self)
        self.buf.maybe_extract_at_most(len(self.buf))
        answer = comfy_error(status, error_type, message)
        answer.headers["Connection"] = "close"
        yield commands.SendData(self.conn, assemble_response(answer))
        yield ReceiveHttp(RequestProtocolError(self.stream_id, message, ErrorCode.REQUEST_TOO_LARGE))

    # -- the header

    def read_headers(self, event: events.ConnectionEvent) -> Steps:
        if isinstance(event, events.DataReceived) and self._is_header_too_large():
            yield from self._refuse(431, "header_too_large", "The header of the request is too large")
            return
        for command in super().read_headers(event):
            if isinstance(command, ReceiveHttp) and isinstance(command.event, RequestHeaders):
                request = command.event.request
                self._read, self._body_max = 0, BODY_MAX.get(route(request.method, request.path).route)
            yield command

    def _is_header_too_large(self) -> bool:
        received = bytes(self.buf)
        end = _END_OF_HEADER.search(received)
        size = end.start() if end else len(received)
        return size > HEADER_MAX or received.count(b"\n", 0, size) > FIELDS_MAX

    def wait(self, event: events.Event) -> Steps:
        """The client has sent its request and waits for the answer."""
        if len(self.buf) > HEADER_MAX:
            yield from self._refuse(400, "bad_request", "More requests than the proxy keeps came behind another one")
            return
        yield from super().wait(event)

    # -- the body

    def read_body(self, event: events.Event) -> Steps:
        if self._is_announced_too_large():
            yield from self._refuse_body()
            return
        pieces = JoinedPieces()
        for command in pieces.joined(super().read_body(event)):
            if isinstance(command, ReceiveHttp) and isinstance(command.event, RequestData):
                self._read += len(command.event.data)
                if not self._is_streamed() and (yield from self._is_refused()):
                    return
            yield command
        if pieces.count > CHUNKS_MAX:
            yield from self._refuse(400, "bad_request", "The chunks of the request are too small")
        elif self.state == self.read_body and len(self.buf) > HEADER_MAX:
            yield from self._refuse(400, "bad_request", "A chunk of the request has no end")

    def _is_streamed(self) -> bool:
        """Whether the body is passed on as it comes: an addon says so as soon as the header is there."""
        return self.request is not None and bool(self.request.stream)

    def _is_announced_too_large(self) -> bool:
        if self.request is None or self._body_max is None or self._is_streamed():
            return False
        return (expected_http_body_size(self.request) or 0) > self._body_max

    def _is_refused(self) -> layer.CommandGenerator[bool]:
        """Whether the request had to be refused, because there is no room for what was read so far."""
        if self._read > (self._body_max or _OTHER_MAX):
            yield from self._refuse_body()
        elif not self._held.has_room(self, self._read):
            message = "The proxy is reading too many large requests: try again in a moment"
            yield from self._refuse(503, "busy", message)
        return self._refused

    def _refuse_body(self) -> Steps:
        limit = (self._body_max or _OTHER_MAX) / MIB
        yield from self._refuse(413, "request_too_large", f"The request is too large: the proxy reads {limit:g} MiB")

    def send(self, event: HttpEvent) -> Steps:
        if isinstance(event, ResponseHeaders) and event.response.status_code >= 200:
            self._held.let_go(self)
        yield from super().send(event)


class JoinedPieces:
    """The pieces of a body, put together: mitmproxy would handle each by itself. *count* is how many there were."""

    def __init__(self) -> None:
        self.count = 0

    def joined(self, steps: Steps) -> Iterator[commands.Command]:
        pieces: list[bytes] = []
        stream_id = 0
        for command in steps:
            if isinstance(command, ReceiveHttp) and isinstance(command.event, RequestData):
                stream_id = command.event.stream_id
                pieces.append(command.event.data)
                self.count += 1
                if self.count > CHUNKS_MAX:
                    return
                continue
            if pieces:
                yield ReceiveHttp(RequestData(stream_id, b"".join(pieces)))
                pieces.clear()
            yield command
        if pieces:
            yield ReceiveHttp(RequestData(stream_id, b"".join(pieces)))


def _make_stream(http_layer: HttpLayer, stream_id: int) -> Steps:
    stream = http_layer.streams[stream_id] = BoundedStream(http_layer.context.fork(), stream_id)
    yield from http_layer.event_to_child(stream, events.Start())


class BoundedStream(HttpStream):
    """One request and its answer. An answer that turns out to be too large to be merged passes on as it comes."""

    def check_body_size(self, request: bool) -> layer.CommandGenerator[bool]:
        """mitmproxy asks with each piece of a body that it keeps; of a request it is decided before."""
        asked = self.flow.request
        if not request and len(self.response_body_buf) > _most(asked) and self.flow.response is not None:
            logger.warning("ComfyUI's answer to %s is too large: what is at RunPod is not in it", asked.path)
            received = bytes(self.response_body_buf)
            self.response_body_buf.clear()
            self.flow.response.stream = True
            yield from self.start_response_stream()
            yield from self.state_stream_response_body(ResponseData(self.stream_id, received))
        return False


def _most(asked: http.Request) -> int:
    return merged_max(route(asked.method, asked.path).route)
