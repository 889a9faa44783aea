"""InTurn: long lists are answered one at a time, so that whoever asks for something short does not wait for many."""

import asyncio

from mitmproxy import http

from proxy.addons.fail_closed import fail_closed
from proxy.addons.routes import Route, route

AT_ONCE = 1
"""with two, whoever asks for the queue beside a crowd waited twice as long"""
_LONG = frozenset({Route.HISTORY, Route.JOBS})
_TURN = "turn"
TURN_MAX_S = 3.0
"""then the next one has its turn, whatever ComfyUI is doing with this one"""


class Turn:
    """Of one request; it ends once."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots = slots
        self._timer = asyncio.get_running_loop().call_later(TURN_MAX_S, self.end)
        self._is_over = False

    def end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._timer.cancel()
            self._slots.release()


class InTurn:
    """The addon. It comes before the addons that answer with lists."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)

    @fail_closed
    async def request(self, flow: http.HTTPFlow) -> None:
        if flow.request.method != "GET" or route("GET", flow.request.path).route not in _LONG:
            return
        await self._slots.acquire()
        turn = flow.metadata[_TURN] = Turn(self._slots)
        if flow.error is not None or not flow.live:  # the client has left meanwhile
            turn.end()

    def response(self, flow: http.HTTPFlow) -> None:
        self._end(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        self._end(flow)

    def _end(self, flow: http.HTTPFlow) -> None:
        if (turn := flow.metadata.pop(_TURN, None)) is not None:
            turn.end()
