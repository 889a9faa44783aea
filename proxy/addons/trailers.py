"""Trailers after a chunked body are dropped, as aiohttp and so ComfyUI drop them.

mitmproxy 12 raises NotImplementedError when it meets one: the connection then hangs without an answer. It has no hook
for this, so that its reader of chunked bodies is replaced; ``tests/security/test_trailers.py`` notices when a newer
mitmproxy reads them in another way.
"""

from h11 import Data, EndOfMessage
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.proxy.layers.http import _http1


class TrailerlessReader(ChunkedReader):
    """Reads a chunked body and ignores what its trailers say."""

    def __call__(self, buf: ReceiveBuffer) -> Data | EndOfMessage | None:
        if not self._reading_trailer:
            return super().__call__(buf)
        return None if buf.maybe_extract_lines() is None else EndOfMessage()


def drop_trailers() -> None:
    """From now on, for every connection of mitmproxy in this process."""
    _http1.ChunkedReader = TrailerlessReader  # type: ignore[attr-defined]
