"""The floor of a proxy made with mitmproxy: its core addons and nothing else.

``python -m bench.bare UPSTREAM PORT``
"""

import asyncio
import sys

from mitmproxy import options
from mitmproxy.addons import core, errorcheck, next_layer, proxyserver
from mitmproxy.master import Master


async def serve(upstream: str, port: int) -> None:
    opts = options.Options(mode=[f"reverse:{upstream}"], listen_host="127.0.0.1", listen_port=port)
    master = Master(opts)
    master._legacy_log_events.uninstall()
    master.addons.add(core.Core(), proxyserver.Proxyserver(), next_layer.NextLayer(), errorcheck.ErrorCheck())
    opts.update(keep_host_header=True, connection_strategy="lazy", stream_large_bodies="1m")
    await master.run()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
