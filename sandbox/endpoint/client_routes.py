"""RunPod's public v2 API: what clients call."""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.endpoint.border import has_key, sent_key
from sandbox.endpoint.job import TERMINAL, EndpointJob, NotAllowed
from sandbox.endpoint.service import Service
from wire.limits import STREAM_WAIT_MAX_MS, STREAM_WAIT_MIN_MS

_RUNSYNC_WAIT_MS = 90_000
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ClientRoutes:
    def __init__(self, service: Service) -> None:
        self._service = service
        self._state = service.state

    def add_to(self, app: web.Application) -> None:
        table: tuple[tuple[str, str, _Handler], ...] = (
            ("POST", "run", self.run),
            ("POST", "runsync", self.runsync),
            ("GET", "status/{job}", self.status),
            ("*", "status-sync/{job}", self.status_sync),
            ("*", "stream/{job}", self.stream),
            ("POST", "cancel/{job}", self.cancel),
            ("POST", "retry/{job}", self.retry),
            ("POST", "purge-queue", self.purge),
            ("GET", "health", self.health),
            ("POST", "sandbox/faults", self.set_fault),
        )
        for method, path, handler in table:
            app.router.add_route(method, f"/v2/{{endpoint}}/{path}", self._checked(handler))

    def _checked(self, handler: _Handler) -> _Handler:
        async def checked(request: web.Request) -> web.StreamResponse:
            wanted = self._service.options.api_key
            if not sent_key(request):
                return _problem(401, "no token provided")
            if wanted is not None and not has_key(request, wanted):
                return _problem(401, "invalid api key")
            if request.match_info["endpoint"] != self._service.options.endpoint_id:
                return web.json_response({"detail": "endpoint not found"}, status=404)
            try:
                return await handler(request)
            except KeyError:
                return web.json_response({"error": "job not found"}, status=404)

        return checked

    async def run(self, request: web.Request) -> web.StreamResponse:
        for status in (429, 503, 502):
            if self._service.faults.strikes(f"run_{status}"):
                headers = {"Retry-After": "1"} if status == 429 else {}
                return web.json_response({"error": "fault"}, status=status, headers=headers)
        job = await self._submit(request, self._service.options.run_max, sync=False)
        if self._service.faults.strikes("run_lost"):
            return _drop(request)
        return web.json_response({"id": job.id, "status": "IN_QUEUE"})

    async def runsync(self, request: web.Request) -> web.StreamResponse:
        job = await self._submit(request, self._service.options.runsync_max, sync=True)
        await self._service.until(lambda: job.status in TERMINAL, _wait_s(request, _RUNSYNC_WAIT_MS))
        return web.json_response(job.view())

    async def _submit(self, request: web.Request, limit: int, *, sync: bool) -> EndpointJob:
        raw = await request.read()
        if len(raw) > limit:
            raise _bad_request(f"body: exceeded max body size of {limit // 1048576}MiB")
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise _bad_request(f"body: {error}") from error
        if not isinstance(body, dict) or not isinstance(body.get("input"), dict):
            raise _bad_request("body: input must be an object")
        job_id = f"sync-{uuid.uuid4()}-u1" if sync else f"{uuid.uuid4()}-u1"
        job = self._state.submit(job_id, body["input"], self._service.clock(), _policy(body), sync=sync)
        await self._service.changed()
        return job

    async def status(self, request: web.Request) -> web.StreamResponse:
        if self._service.faults.strikes("status_500"):
            return web.json_response({"error": "fault"}, status=500)
        job = self._job(request)
        if "ttl" in request.query:
            job.ttl_s = _milliseconds("ttl", request.query["ttl"]) / 1000
        return web.json_response(job.view())

    async def status_sync(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        await self._service.until(lambda: job.status in TERMINAL, _wait_s(request, _RUNSYNC_WAIT_MS))
        return web.json_response(job.view())

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Held until there is something, or the job has ended; what is handed out is gone."""
        if self._service.faults.strikes("stream_500"):
            return web.json_response({"error": "fault"}, status=500)
        job = self._job(request)
        hold_s = _wait_s(request, self._service.options.stream_hold_s * 1000)
        await self._service.until(lambda: bool(job.stream) or job.status in TERMINAL, hold_s)
        status, chunks = self._state.drain(job.id)
        if self._service.faults.strikes("stream_lost"):
            return _drop(request)
        text = f'{{"status": "{status.value}", "stream": [{", ".join(chunks)}]}}'
        return web.Response(text=text, content_type="application/json")

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        if self._service.faults.strikes("cancel_500"):
            return web.json_response({"error": "fault"}, status=500)
        job = self._state.cancel(request.match_info["job"], self._service.clock())
        await self._service.changed()
        return web.json_response({"id": job.id, "status": job.status.value})

    async def retry(self, request: web.Request) -> web.StreamResponse:
        try:
            job = self._state.retry(request.match_info["job"], self._service.clock())
        except NotAllowed as error:
            return web.json_response({"error": str(error)}, status=400)
        await self._service.changed()
        return web.json_response({"id": job.id, "status": job.status.value})

    async def purge(self, _: web.Request) -> web.StreamResponse:
        removed = self._state.purge()
        await self._service.changed()
        return web.json_response({"removed": removed, "status": "completed"})

    async def health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self._state.health())

    async def set_fault(self, request: web.Request) -> web.StreamResponse:
        """Not RunPod's: ``{"point": times}``, for tests."""
        for point, times in (await request.json()).items():
            self._service.faults.set(point, int(times))
        return web.json_response({})

    def _job(self, request: web.Request) -> EndpointJob:
        return self._state.jobs[request.match_info["job"]]


def _wait_s(request: web.Request, default_ms: float) -> float:
    try:
        wait_ms = float(request.query["wait"])
    except (KeyError, ValueError):
        return default_ms / 1000
    return min(max(wait_ms, STREAM_WAIT_MIN_MS), STREAM_WAIT_MAX_MS) / 1000


def _policy(body: Mapping[str, Any]) -> dict[str, float]:
    """The request's own times in milliseconds, as RunPod names them; others of its wishes change nothing here."""
    policy = body.get("policy") or {}
    if not isinstance(policy, dict):
        raise _bad_request("body: policy must be an object")
    wished = {name: policy[name] for name in ("executionTimeout", "ttl") if policy.get(name) is not None}
    return {name: _milliseconds(name, value) for name, value in wished.items()}


def _milliseconds(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise _bad_request(f"{name} must be a number of milliseconds") from error


def _problem(status: int, detail: str) -> web.Response:
    return web.json_response({"status": status, "title": "Unauthorized", "detail": detail}, status=status)


def _bad_request(message: str) -> web.HTTPBadRequest:
    body: dict[str, Any] = {"error": f"bad request: {message}"}
    return web.HTTPBadRequest(text=json.dumps(body), content_type="application/json")


def _drop(request: web.Request) -> web.StreamResponse:
    """The connection breaks before the answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
