"""The endpoint as a server on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from sandbox.endpoint.border import programs_only
from sandbox.endpoint.client_routes import ClientRoutes
from sandbox.endpoint.service import Options, Service
from sandbox.endpoint.worker_routes import WorkerRoutes
from sandbox.endpoint.workers import WorkerCommand, Workers

_BODY_MAX = 24 * 1024 * 1024
"""above every limit of the platform, which answers itself"""


@dataclass
class Running:
    """An endpoint that listens at *url* (``http://127.0.0.1:PORT/v2``)."""

    url: str
    service: Service
    workers: Workers | None


@asynccontextmanager
async def running_endpoint(
    options: Options, *, port: int = 0, command: WorkerCommand | None = None, cold_start_s: float = 0.0
) -> AsyncIterator[Running]:
    """Serve until the block ends; without a *command* no worker is started."""
    service = Service(options)
    app = web.Application(client_max_size=_BODY_MAX, middlewares=[programs_only])
    WorkerRoutes(service).add_to(app)
    ClientRoutes(service).add_to(app)
    # without handler_cancellation the long polls of a dead worker would go on taking jobs
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/v2"
        workers = None if command is None else Workers(service, command, lambda: url, cold_start_s)
        async with service.ticking(), _working(workers):
            yield Running(url, service, workers)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _working(workers: Workers | None) -> AsyncIterator[None]:
    if workers is None:
        yield
        return
    task = asyncio.create_task(workers.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
