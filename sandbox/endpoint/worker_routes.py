"""The platform's side that workers call through RunPod's SDK: job-take, job-stop, job-stream, job-done, ping."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.endpoint.border import has_key
from sandbox.endpoint.service import Service

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WorkerRoutes:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._state = service.state

    def add_to(self, app: web.Application) -> None:
        table: tuple[tuple[str, str, _Handler], ...] = (
            ("GET", "job-take/{worker}", self.take),
            ("GET", "job-take-batch/{worker}", self.take_batch),
            ("GET", "job-stop/{worker}", self.stop),
            ("POST", "job-stream/{worker}/{job}", self.chunk),
            ("POST", "job-done/{worker}/{job}", self.done),
            ("GET", "ping/{worker}", self.ping),
        )
        for method, path, handler in table:
            app.router.add_route(method, f"/v2/{{endpoint}}/{path}", self._checked(handler))

    def _checked(self, handler: _Handler) -> _Handler:
        """A worker is sent prompts, and what it answers is shown to the person: it must be one that we started."""

        async def checked(request: web.Request) -> web.StreamResponse:
            if not has_key(request, self._service.options.worker_key):
                return web.json_response({"error": "not a worker of this endpoint"}, status=401)
            return await handler(request)

        return checked

    async def take(self, request: web.Request) -> web.StreamResponse:
        """Held; 204 without a job."""
        jobs = await self._take(request, 1)
        return web.json_response(jobs[0]) if jobs else web.Response(status=204)

    async def take_batch(self, request: web.Request) -> web.StreamResponse:
        jobs = await self._take(request, _batch_size(request))
        return web.json_response(jobs) if jobs else web.Response(status=204)

    async def _take(self, request: web.Request, limit: int) -> list[dict[str, Any]]:
        worker = request.match_info["worker"]
        if self._service.faults.strikes("take_400"):
            raise web.HTTPBadRequest
        if request.query.get("job_in_progress") == "0":
            self._state.idle(worker)
        await self._service.until(
            lambda: self._state.waiting > 0 or self._state.is_stopping(worker), self._service.options.take_hold_s
        )
        if request.transport is None or request.transport.is_closing():
            return []  # nobody would run it
        return self._state.take(worker, self._service.clock(), limit)

    async def stop(self, request: web.Request) -> web.StreamResponse:
        """Held; 204 when nothing is to be stopped."""
        worker = request.match_info["worker"]
        found: list[str] = []

        def due() -> bool:
            found.extend(self._state.stops(worker, self._service.clock()))
            return bool(found) or self._state.is_stopping(worker)

        await self._service.until(due, self._service.options.take_hold_s)
        return web.json_response({"jobsToStop": found}) if found else web.Response(status=204)

    async def chunk(self, request: web.Request) -> web.StreamResponse:
        """Kept as the JSON text ``{"output": …}``, which is also how /stream hands it out."""
        raw = await request.read()
        if len(raw) > self._service.options.chunk_max:
            raise web.HTTPBadRequest(text="stream chunk exceeds 1 MB")
        job, worker = request.match_info["job"], request.match_info["worker"]
        self._state.chunk(job, worker, raw.decode(), self._service.clock())
        await self._service.changed()
        return web.Response()

    async def done(self, request: web.Request) -> web.StreamResponse:
        """The SDK posts JSON under a form's content type, and repeats it only after a 5xx."""
        if self._service.faults.strikes("done_500"):
            raise web.HTTPInternalServerError
        job, worker = request.match_info["job"], request.match_info["worker"]
        raw = await request.read()
        known = self._state.jobs.get(job)
        limit = self._service.options.runsync_max if known and known.sync else self._service.options.run_max
        if len(raw) > limit or self._service.faults.strikes("done_400"):
            self._state.done_without_result(job, worker, self._service.clock())
            await self._service.changed()
            raise web.HTTPBadRequest
        self._state.done(job, worker, _object(raw), self._service.clock())
        await self._service.changed()
        return web.Response()

    async def ping(self, request: web.Request) -> web.StreamResponse:
        jobs = [job for job in request.query.get("job_id", "").split(",") if job]
        worker, now = request.match_info["worker"], self._service.clock()
        self._state.ping(worker, jobs, now)
        if request.query.get("status") == "unhealthy":
            self._state.unfit_worker(worker, now)
        return web.Response()


def _batch_size(request: web.Request) -> int:
    try:
        return max(1, int(request.query["batch_size"]))
    except (KeyError, ValueError) as error:
        raise web.HTTPBadRequest(text="batch_size must be a number") from error


def _object(raw: bytes) -> dict[str, Any]:
    """The body of a post: a JSON object, or the post is refused."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(text="not a JSON object")
    return value
