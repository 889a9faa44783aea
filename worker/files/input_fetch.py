"""InputFetch: downloads an input file from the address that the request names, such as a signed one of a bucket."""

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path

from wire.addresses import Origin, origin_of
from wire.backoff import next_delay
from worker.models.manifest import Web
from worker.models.sources import ModelSource, ModelSources, SourceFailed

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
_RETRY_S = 1.0


class InputFetch:
    """Only *own_bucket*, an address, may be on a private one, unless *allow_private*. Raises AddressRefused for it."""

    def __init__(self, own_bucket: str | None, *, allow_private: bool, retry_s: float = _RETRY_S) -> None:
        self._own = {origin_of(own_bucket)} if own_bucket else set[Origin]()
        self._allow_private, self._retry_s = allow_private, retry_s

    async def fetch(self, url: str, path: Path, size: int) -> None:
        """Downloads the file into *path*, and goes on where it stopped; raises SourceFailed."""
        sources = ModelSources(None, {}, allow_private=self._allow_private, own=self._own)
        async with sources.session() as http:
            source = sources.open(Web(url=url), http)
            for attempt in range(_ATTEMPTS):
                try:
                    await _read_on(source, path, size)
                except SourceFailed as error:
                    if error.for_good or attempt == _ATTEMPTS - 1:
                        raise
                    logger.warning("%s; trying again", error)
                    await asyncio.sleep(next_delay(attempt, base_s=self._retry_s))
                else:
                    return


async def _read_on(source: ModelSource, path: Path, size: int) -> None:
    facts = await source.facts()
    if facts.size != size:
        raise SourceFailed(f"it has {facts.size} bytes instead of {size}", for_good=True)
    start = path.stat().st_size if facts.ranged else 0  # noqa: ASYNC240  one stat
    if start == size:
        return
    with path.open("r+b") as file:
        file.truncate(start)
        file.seek(start)
        async with aclosing(source.read(start, None)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                start += len(chunk)
                if start > size:
                    raise SourceFailed(f"the source sends more than {size} bytes", for_good=True)
                await asyncio.to_thread(file.write, chunk)
    if path.stat().st_size != size:  # noqa: ASYNC240  one stat
        raise SourceFailed("the source ended before the file did")
