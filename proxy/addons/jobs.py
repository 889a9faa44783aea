"""The jobs API of ComfyUI from 0.8 on: GET /api/jobs, GET /api/jobs/{id}, and cancelling."""

import json
import logging

from mitmproxy import http

from engine.jobs.dispatcher import Dispatcher
from engine.store.jobs import JobStore
from engine.views.job import clean_view, job_view
from engine.views.jobs import JobsQuery, JobsQueryInvalid, jobs_body, jobs_page, parse_query
from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import body_object, replace_body, upstream_object
from proxy.addons.responses import json_response
from proxy.addons.routes import Route, route
from wire.ids import is_prompt_id

logger = logging.getLogger(__name__)

_ASKED, _ONE, _CANCELLED = "jobs_query", "job_of_comfyui", "jobs_cancelled"


class Jobs:
    def __init__(self, dispatcher: Dispatcher, store: JobStore) -> None:
        self._dispatcher = dispatcher
        self._store = store

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        matched = route(flow.request.method, flow.request.path)
        match matched.route:
            case Route.JOBS:
                self._ask_for_all(flow)
            case Route.JOB:
                job = self._store.find(matched.argument or "")
                flow.response = None if job is None else json_response(200, job_view(job, detailed=True))
                flow.metadata[_ONE] = job is None
            case Route.JOB_CANCEL:
                flow.response = self._cancel_one(matched.argument or "")
            case Route.JOBS_CANCEL:
                flow.response = self._cancel_several(flow)

    def _ask_for_all(self, flow: http.HTTPFlow) -> None:
        """Filters, order and page apply to the merged list; 0.8.0 would refuse the newer status ``cancelled``."""
        try:
            flow.metadata[_ASKED] = parse_query(dict(flow.request.query.items()))
        except JobsQueryInvalid as error:
            flow.response = json_response(400, {"error": str(error)})
            return
        flow.request.query = []

    def _cancel_one(self, prompt_id: str) -> http.Response | None:
        if self._store.find(prompt_id) is None:
            return None
        return json_response(200, {"cancelled": self._dispatcher.cancel(prompt_id)})

    def _cancel_several(self, flow: http.HTTPFlow) -> http.Response | None:
        """Ours are cancelled here; ComfyUI is asked about the rest, if there is any. An odd id cancels nothing."""
        ids = body_object(flow).get("job_ids")
        if not isinstance(ids, list):
            return json_response(400, {"error": "job_ids must be a list"})
        ours = [one for one in ids if isinstance(one, str) and self._store.find(one) is not None]
        rest = [one for one in ids if one not in ours]
        if odd := [one if isinstance(one, str) else repr(one) for one in rest if not is_prompt_id(one)]:
            return json_response(400, {"error": "job_ids contains invalid id(s)", "invalid_ids": odd})
        cancelled = [self._dispatcher.cancel(one) for one in ours]
        if rest:
            flow.request.text = json.dumps({"job_ids": rest})
            flow.metadata[_CANCELLED] = any(cancelled)
            return None
        return json_response(200, {"cancelled": any(cancelled)})

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        if _ASKED in flow.metadata:
            self._merge(flow, flow.metadata[_ASKED])
        elif flow.metadata.get(_CANCELLED):  # whatever ComfyUI says of its own
            flow.response = json_response(200, {"cancelled": True})
        elif flow.metadata.get(_ONE) and (view := clean_view(upstream_object(flow))) is not None:
            replace_body(flow, json.dumps(view))

    def _merge(self, flow: http.HTTPFlow, query: JobsQuery) -> None:
        upstream = upstream_object(flow)
        if upstream is None and not _broken(flow):
            return
        answered = (upstream or {}).get("jobs")
        local = answered if isinstance(answered, list) else []
        page = jobs_page(local, self._store.lists.listed(query, len(local)), query)
        replace_body(flow, jobs_body(page, self._store.lists.views(page.ours), query))


def _broken(flow: http.HTTPFlow) -> bool:
    """True when ComfyUI failed at its own list, as 0.8.0 does for one odd prompt; ours is shown nevertheless."""
    response = flow.response
    if response is None or response.status_code != 500:
        return False
    logger.warning("ComfyUI cannot list its own jobs: %s", (response.raw_content or b"")[:200].decode(errors="replace"))
    response.status_code, response.reason = 200, "OK"
    response.headers["Content-Type"] = "application/json; charset=utf-8"
    return True
