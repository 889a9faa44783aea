"""The reader of chunked bodies, fed in pieces; through sockets it is tested in tests/security/test_trailers.py."""

import pytest
from h11 import Data, EndOfMessage
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy.layers.http import _http1

from proxy.addons.trailers import TrailerlessReader, drop_trailers


def read(*pieces: bytes) -> tuple[bytes, int, bytes]:
    """The body, how often it ended, and what is left of *pieces* for the next request."""
    buffer, reader, body, ends = ReceiveBuffer(), TrailerlessReader(), b"", 0
    for piece in pieces:
        buffer += piece
        while not ends and (event := reader(buffer)) is not None:
            body += bytes(event.data) if isinstance(event, Data) else b""
            ends += isinstance(event, EndOfMessage)
            assert not (isinstance(event, EndOfMessage) and event.headers)
    return body, ends, bytes(buffer)


@pytest.mark.parametrize(
    "trailers", [b"", b"A: 1\r\n", b"A: 1\r\nB: 2\r\n", b"no trailer\r\n", b": \x00\r\n"], ids=ascii
)
def test_a_body_ends_after_its_trailers_in_whatever_pieces_it_comes(trailers: bytes) -> None:
    sent = b"2\r\n{}\r\n0\r\n" + trailers + b"\r\nGET /"

    assert read(sent) == (b"{}", 1, b"GET /")
    assert read(*(sent[at : at + 1] for at in range(len(sent)))) == (b"{}", 1, b"GET /")


def test_mitmproxy_reads_chunked_bodies_with_it() -> None:
    drop_trailers()

    assert isinstance(_http1.make_body_reader(None), TrailerlessReader)
