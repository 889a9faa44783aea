"""Bodies that are small on the wire and large when they are read."""

import zlib
from collections.abc import Iterator

_BLOCK = 1024 * 1024


def gzip_bomb(head: bytes, filling: bytes, size: int) -> Iterator[bytes]:
    """*head* and then *filling* again and again, *size* bytes, as gzip that never comes to its end.

    The same compressed block is sent each time, so that whoever throws the bomb has no work.
    """
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packed.compress(head) + packed.flush(zlib.Z_FULL_FLUSH)
    whole = filling * (_BLOCK // len(filling))
    block = packed.compress(whole) + packed.flush(zlib.Z_FULL_FLUSH)
    for _ in range(size // len(whole)):
        yield block


def gzipped(head: bytes, filling: bytes, size: int, tail: bytes) -> bytes:
    """The same as a whole body, with *tail* at its end."""
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packed.compress(head)]
    whole = filling * (_BLOCK // len(filling))
    parts += [packed.compress(whole) for _ in range(size // len(whole))]
    return b"".join([*parts, packed.compress(tail), packed.flush()])
