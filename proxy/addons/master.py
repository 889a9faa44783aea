"""mitmproxy, embedded: its core addons, ours, and nothing that reads or writes the user's own mitmproxy settings."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mitmproxy import hooks, options
from mitmproxy.addonmanager import AddonManager, safecall
from mitmproxy.addons import core, next_layer, proxyserver
from mitmproxy.master import Master

from proxy.addons.connections import Connections
from proxy.addons.http1 import Http1
from proxy.addons.trailers import drop_trailers
from proxy.descriptors import OUT_OF_DESCRIPTORS

logger = logging.getLogger(__name__)

_IDLE_S = 7 * 86_400
"""ComfyUI sends no pings, and an idle websocket must not be closed"""
_CLOSE_S = 2.0
_CONNECTIONS_MAX = 1_000


class CannotListen(Exception):
    """The proxy cannot listen at the address that the text names."""


class ProxyMaster(Master):
    """A Master with few addons. Each addon is called only for the hooks that it has."""

    def __init__(
        self,
        opts: options.Options,
        addons: Sequence[object],
        listening: "Listening",
        connections_max: int = _CONNECTIONS_MAX,
    ) -> None:
        super().__init__(opts)
        drop_trailers()
        self._legacy_log_events.uninstall()  # it walks all addons for each log record, and hides Python's own warning
        self.addons = IndexedAddons(self)
        self.server = proxyserver.Proxyserver()
        self._connections = Connections(connections_max, self.server.connections)
        # not ErrorCheck: it ends the process for an error that anybody logged meanwhile; see Listening instead
        http1 = Http1(self._connections.set_deadline)
        self.addons.add(core.Core(), self.server, self._connections, next_layer.NextLayer(), http1)
        # Websockets pass as bytes. mitmproxy would take them apart, with a hook for each message; while one runs
        # everything that comes in waits in memory, so that a fast series of previews fills hundreds of megabytes.
        opts.update(keep_host_header=True, connection_strategy="lazy", tcp_timeout=_IDLE_S, websocket=False)
        opts.update(http2=False)  # Http1 has the budgets
        self.addons.add(*addons, listening)

    def _asyncio_exception_handler(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """asyncio reports a hundred times a second, each with a traceback, that it cannot accept a connection."""
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in OUT_OF_DESCRIPTORS:
            self._connections.say_out_of_descriptors(error)
        else:
            super()._asyncio_exception_handler(loop, context)


class IndexedAddons(AddonManager):
    """mitmproxy asks every addon for every hook, twice: that would be a third of what a request costs."""

    def __init__(self, master: Master) -> None:
        super().__init__(master)  # type: ignore[no-untyped-call]
        self._by_hook: dict[str, list[Callable[..., Awaitable[None] | None]]] = {}

    def add(self, *addons: object) -> None:
        self._by_hook.clear()
        super().add(*addons)  # type: ignore[no-untyped-call]

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """Without mitmproxy's `update`, by which its user interfaces learn that a flow has changed."""
        await self.trigger_event(event)

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Call the hook of each addon, in the order of the addons; the others are called even if one raises."""
        if event.name not in self._by_hook:
            having = [getattr(addon, event.name, None) for addon in self.chain]
            self._by_hook[event.name] = [hook for hook in having if hook is not None]
        for hook in self._by_hook[event.name]:
            with safecall():
                waiting = hook(*event.args())
                if waiting is not None:
                    await waiting


class Listening:
    """Reports when the port is bound; at the end, closes port and connections before mitmproxy cuts them off."""

    def __init__(self, ready: Callable[[], None]) -> None:
        self._ready = ready
        self.master: ProxyMaster | None = None
        self.failure: str | None = None

    def running(self) -> None:
        if self.master is None:
            return
        servers = list(self.master.server.servers)
        if servers and all(server.is_running for server in servers):
            self._ready()
            return
        self.failure = str(next((server.last_exception for server in servers), "no server"))
        Master.shutdown(self.master)

    async def done(self) -> None:
        if self.master is None:
            return
        server = self.master.server
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await server.servers.update([])
                for handler in list(server.connections.values()):
                    with contextlib.suppress(KeyError):  # it has just closed by itself
                        handler.close_connection(handler.client)
                while server.connections:  # noqa: ASYNC110  mitmproxy has no event for it
                    await asyncio.sleep(0.01)


async def run_front(
    *,
    host: str,
    port: int,
    upstream: str,
    addons: Sequence[object],
    ready: Callable[[], None],
    stop: asyncio.Event,
    connections_max: int = _CONNECTIONS_MAX,
) -> None:
    """Serve *host*:*port* in front of *upstream* until *stop* is set. Raises CannotListen."""
    opts = options.Options(mode=[f"reverse:{upstream}"], listen_host=host, listen_port=port)
    listening = Listening(ready)
    master = ProxyMaster(opts, addons, listening, connections_max)
    listening.master = master
    stopping = asyncio.create_task(_shutdown(master, stop))
    try:
        await master.run()
    finally:
        stopping.cancel()
    if listening.failure is not None:
        raise CannotListen(f"cannot listen on {host}:{port}: {listening.failure}")


async def _shutdown(master: Master, stop: asyncio.Event) -> None:
    await stop.wait()
    master.shutdown()
