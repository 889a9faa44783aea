"""HTTP as bytes on a socket: what a client library would not send."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back; *status* is 0 when the connection was closed without an answer."""

    status: int
    head: str
    body: str

    def header(self, name: str) -> str | None:
        found = [
            line.partition(":")[2].strip() for line in self.head.splitlines() if line.lower().startswith(f"{name}:")
        ]
        return found[0] if found else None


def request(method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request whose headers are exactly *headers*, and a Content-Length when it has a body."""
    length = [("Content-Length", str(len(body)))] if body else []
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (*headers, *length))]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


async def answer_to(url: str, sent: bytes) -> RawAnswer:
    """Send *sent* to the server at *url* and read its first answer. Raises TimeoutError when there is none in 30 s."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        async with asyncio.timeout(_ANSWER_S):
            writer.write(sent)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            answer = RawAnswer(int(head.split(" ", 2)[1]), head, "")
            length = int(answer.header("content-length") or 0)
            body = await reader.readexactly(0 if sent.startswith(b"HEAD") else length)
            return RawAnswer(answer.status, head, body.decode("utf-8", "replace"))
    except (asyncio.IncompleteReadError, ConnectionError):
        return RawAnswer(0, "", "")
    finally:
        writer.close()
