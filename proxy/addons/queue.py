"""The queue: GET /prompt, GET and POST /queue, POST /interrupt, over local and remote prompts."""

from typing import Any

from mitmproxy import http

from engine.jobs.dispatcher import Dispatcher
from engine.model.states import SHOWN_RUNNING
from engine.store.jobs import JobStore
from engine.views.history import merged_queue
from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import body_object, replace_body, upstream_object
from proxy.addons.responses import empty_response
from proxy.addons.routes import Route, route
from wire import plain_json


class Queue:
    def __init__(self, dispatcher: Dispatcher, store: JobStore) -> None:
        self._dispatcher = dispatcher
        self._store = store

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        matched = route(flow.request.method, flow.request.path).route
        if matched is Route.QUEUE and flow.request.method == "POST":
            self._change(body_object(flow))
        elif matched is Route.INTERRUPT:
            flow.response = self._interrupt(body_object(flow))

    def _change(self, body: dict[str, Any]) -> None:
        """Cancel our jobs; ComfyUI gets the same request, and ignores ids that it does not know."""
        if body.get("clear"):
            self._dispatcher.cancel_pending()
        for prompt_id in body.get("delete") or []:
            self._dispatcher.cancel(str(prompt_id))

    def _interrupt(self, body: dict[str, Any]) -> http.Response | None:
        prompt_id = body.get("prompt_id")
        if not prompt_id:
            self._dispatcher.cancel_running()
            return None  # whatever ComfyUI runs itself is interrupted too
        job = self._store.find(str(prompt_id))
        if job is None:
            return None
        if job.state in SHOWN_RUNNING:  # as in ComfyUI, a job that waits is not interrupted
            self._dispatcher.cancel(job.prompt_id)
        return empty_response()

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        if flow.request.method != "GET":
            return
        matched = route(flow.request.method, flow.request.path).route
        if matched is Route.QUEUE and (upstream := upstream_object(flow)) is not None:
            replace_body(flow, merged_queue(upstream, self._store.lists.queue()))
        elif matched is Route.PROMPT_STATUS and (upstream := upstream_object(flow)) is not None:
            replace_body(flow, plain_json.dumps(_counted(upstream, self._store.count_active())))


def _counted(upstream: dict[str, Any], remote: int) -> dict[str, Any]:
    """ComfyUI's answer with *remote* prompts more in its queue; one of another shape stays as it is."""
    match upstream.get("exec_info"):
        case {"queue_remaining": int(local), **rest}:
            return {**upstream, "exec_info": {**rest, "queue_remaining": local + remote}}
    return upstream
