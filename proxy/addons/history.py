"""The history: GET and POST /history, GET /history/{id}, in completion order over local and remote prompts."""

from collections.abc import Iterable

from mitmproxy import http

from engine.store.jobs import JobStore
from engine.views.history import Position, Window, history_item, history_page, merged_history
from engine.views.json_text import object_text
from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import body_object, replace_body, upstream_object
from proxy.addons.responses import json_text_response
from proxy.addons.routes import Route, route

_ASKED, _ONE = "history_window", "history_item_of_comfyui"


class History:
    def __init__(self, store: JobStore) -> None:
        self._store = store

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        matched = route(flow.request.method, flow.request.path)
        if matched.route is Route.HISTORY_ITEM:
            flow.response = self._item(matched.argument)
            flow.metadata[_ONE] = flow.response is None
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
        ended = self._store.lists.stored([job.prompt_id])
        return json_text_response(200, object_text((found, [history_item(one)]) for found, one in ended.items()))

    def _widen(self, flow: http.HTTPFlow) -> None:
        """An offset counts over the merged list, so ComfyUI is asked for its whole one."""
        query = flow.request.query
        try:
            asked = Window(*(int(query[name]) if name in query else None for name in ("max_items", "offset")))
        except ValueError:
            return  # ComfyUI answers that itself
        flow.metadata[_ASKED] = asked
        if "offset" in query:
            flow.request.query = [pair for pair in query.items(multi=True) if pair[0] not in ("max_items", "offset")]

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        single = flow.metadata.get(_ONE, False)
        window = Window() if single else flow.metadata.get(_ASKED)
        if window is None or (upstream := upstream_object(flow)) is None:
            return
        page = self._page(upstream, window, single=single)
        stored = self._store.lists.stored(prompt_id for _, prompt_id in page)
        replace_body(flow, merged_history(upstream, page, stored))

    def _page(self, upstream: Iterable[str], window: Window, *, single: bool) -> list[Position]:
        local = self._store.completions.positions(upstream)
        if single:
            return history_page(local, [], window)
        skipped = window.surely_before(len(local))
        rest = window.without(skipped)
        return history_page(local, self._store.lists.places(rest, skipped), rest)
