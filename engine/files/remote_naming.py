"""RemoteNames: ComfyUI's counter rule where its folder cannot be listed, by asking for single names.

Numbers are taken to be without gaps, as savers leave them: so a dozen questions find the end of thousands. If one
is taken all the same, no harm is done: ComfyUI's upload never overwrites.
"""

from collections.abc import Awaitable, Callable, Iterable

from engine.model.naming import CountedName, parse


class RemoteNames:
    """*is_there* tells whether the folder has a file of a name."""

    def __init__(self, is_there: Callable[[str], Awaitable[bool]]) -> None:
        self._is_there = is_there

    async def choose(self, filenames: Iterable[str]) -> list[str]:
        """The name that each file of one node is to get; one without a number keeps its own."""
        names: list[str] = []
        counters: dict[tuple[str, int], int] = {}
        last: dict[str, int] = {}
        for filename in filenames:
            numbered = parse(filename)
            if numbered is None:
                names.append(filename)
                continue
            key = (numbered.prefix, numbered.counter)
            if key not in counters:
                following = last.get(numbered.prefix, 0) + 1
                counters[key] = last[numbered.prefix] = max(following, await self._first_free(numbered))
            names.append(numbered.with_counter(counters[key]))
        return names

    async def _first_free(self, numbered: CountedName) -> int:
        taken, free = 0, 1
        while await self._is_there(numbered.with_counter(free)):
            taken, free = free, free * 2
        while free - taken > 1:
            middle = (taken + free) // 2
            if await self._is_there(numbered.with_counter(middle)):
                taken = middle
            else:
                free = middle
        return free
