"""The body of an answer: read up to a budget, whatever its length is said to be, and however large it is unpacked."""

import aiohttp

_PIECE = 64 * 1024


async def read_up_to(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    """At most so many bytes of the body, and whether that is all of it. Raises aiohttp's errors."""
    body = bytearray()
    async for piece in response.content.iter_chunked(_PIECE):
        body += piece
        if len(body) > most:
            response.close()
            return bytes(body[:most]), False
    return bytes(body), True
