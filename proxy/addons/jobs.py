"""The jobs API of ComfyUI from 0.8 on: GET /api/jobs, GET /api/jobs/{id}, and cancelling."""

import json

from mitmproxy import http

from proxy.addons.answers import json_response
from proxy.addons.closed import closed
from proxy.addons.merging import body_object, replace_body, upstream_object
from proxy.core.routing import Route, route
from proxy.core.views import BadQuery, job_view, merged_jobs
from proxy.dispatcher import Dispatcher
from proxy.job_store import JobStore

_ASKED = "jobs_query"


class Jobs:
    def __init__(self, dispatcher: Dispatcher, store: JobStore) -> None:
        self._dispatcher = dispatcher
        self._store = store

    @closed
    def request(self, flow: http.HTTPFlow) -> None:
        matched = route(flow.request.method, flow.request.path)
        match matched.route:
            case Route.JOBS:
                self._ask_for_all(flow)
            case Route.JOB:
                job = self._store.find(matched.argument or "")
                flow.response = None if job is None else json_response(200, job_view(job, detailed=True))
            case Route.JOB_CANCEL:
                flow.response = self._cancel_one(matched.argument or "")
            case Route.JOBS_CANCEL:
                flow.response = self._cancel_several(flow)

    def _ask_for_all(self, flow: http.HTTPFlow) -> None:
        """Filters, order and page apply to the merged list; 0.8.0 would refuse the newer status ``cancelled``."""
        query = dict(flow.request.query.items())
        try:
            merged_jobs([], [], query)
        except BadQuery as error:
            flow.response = json_response(400, {"error": str(error)})
            return
        flow.metadata[_ASKED] = query
        flow.request.query = []

    def _cancel_one(self, prompt_id: str) -> http.Response | None:
        if self._store.find(prompt_id) is None:
            return None
        return json_response(200, {"cancelled": self._dispatcher.cancel(prompt_id)})

    def _cancel_several(self, flow: http.HTTPFlow) -> http.Response | None:
        """Ours are cancelled here; ComfyUI is asked about the rest, if there is any."""
        ids = body_object(flow).get("job_ids")
        if not isinstance(ids, list):
            return json_response(400, {"error": "job_ids must be a list"})
        ours = [one for one in map(str, ids) if self._store.find(one) is not None]
        cancelled = [self._dispatcher.cancel(one) for one in ours]
        rest = [one for one in map(str, ids) if one not in ours]
        if rest:
            flow.request.text = json.dumps({"job_ids": rest})
            return None
        return json_response(200, {"cancelled": any(cancelled)})

    @closed
    def response(self, flow: http.HTTPFlow) -> None:
        if _ASKED not in flow.metadata or (upstream := upstream_object(flow)) is None:
            return
        jobs = [*self._store.active(), *self._store.ended()]
        replace_body(flow, merged_jobs(upstream.get("jobs", []), jobs, flow.metadata[_ASKED]))
