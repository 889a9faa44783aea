"""RunAnyway: pages whose next prompt the person wants to run although the endpoint's catalog speaks against it."""

from collections.abc import Callable

from wire.ids import ClientId

VALID_S = 600.0
_MOST = 1_000
"""pages; the oldest are forgotten"""


class RunAnyway:
    """*clock* counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = dict[ClientId, float]()

    def allow(self, client_id: ClientId) -> None:
        """The next prompt of this page, within ten minutes, is not refused by the catalog."""
        self._until.pop(client_id, None)
        self._until[client_id] = self._clock() + VALID_S
        while len(self._until) > _MOST:
            del self._until[next(iter(self._until))]

    def is_allowed(self, client_id: ClientId | None) -> bool:
        return client_id is not None and self._until.get(client_id, 0.0) > self._clock()

    def used(self, client_id: ClientId | None) -> None:
        """It was the next prompt."""
        if client_id is not None:
            self._until.pop(client_id, None)
