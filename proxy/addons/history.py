"""The history: GET and POST /history, GET /history/{id}, in completion order over local and remote prompts."""

from mitmproxy import http

from proxy.addons.answers import json_response
from proxy.addons.closed import closed
from proxy.addons.merging import body_object, replace_body, upstream_object
from proxy.core.lifecycle import ENDED
from proxy.core.routing import Route, route
from proxy.core.views import history_item, merged_history
from proxy.job_store import JobStore

_ASKED = "history_window"


class History:
    def __init__(self, store: JobStore) -> None:
        self._store = store

    @closed
    def request(self, flow: http.HTTPFlow) -> None:
        matched = route(flow.request.method, flow.request.path)
        if matched.route is Route.HISTORY_ITEM:
            flow.response = self._item(matched.argument)
        elif matched.route is Route.HISTORY and flow.request.method == "POST":
            body = body_object(flow)
            if body.get("clear"):
                self._store.forget_all()
            self._store.forget(str(prompt_id) for prompt_id in body.get("delete") or [])
        elif matched.route is Route.HISTORY:
            self._widen(flow)

    def _item(self, prompt_id: str | None) -> http.Response | None:
        job = self._store.find(prompt_id or "")
        if job is None:
            return None
        shown = job.state in ENDED and job.entry is not None
        return json_response(200, {job.prompt_id: history_item(job)} if shown else {})

    def _widen(self, flow: http.HTTPFlow) -> None:
        """An offset counts over the merged list, so ComfyUI is asked for its whole one."""
        query = flow.request.query
        try:
            asked = tuple(int(query[name]) if name in query else None for name in ("max_items", "offset"))
        except ValueError:
            return  # ComfyUI answers that as it does
        flow.metadata[_ASKED] = asked
        if "offset" in query:
            flow.request.query = [pair for pair in query.items(multi=True) if pair[0] not in ("max_items", "offset")]

    @closed
    def response(self, flow: http.HTTPFlow) -> None:
        if _ASKED not in flow.metadata or (upstream := upstream_object(flow)) is None:
            return
        max_items, offset = flow.metadata[_ASKED]
        jobs = self._store.ended(None if offset is not None else max_items)
        replace_body(flow, merged_history(upstream, self._store.completions(upstream), jobs, max_items, offset))
