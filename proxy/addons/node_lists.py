"""NodeLists: ComfyUI's lists of nodes and models, with what the endpoint has in them.

The endpoint's catalog is a help and no more: whatever goes wrong with it, the page gets ComfyUI's own answer.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mitmproxy import http

from engine.catalog.catalogs import Catalogs
from engine.catalog.merge import Infos, loaders_of, merged_class, merged_nodes
from engine.catalog.model_lists import shown_embeddings, shown_files, shown_folders, shown_kinds, shown_models
from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import content
from proxy.addons.routes import CATALOGED, CATALOGED_MAX, Route, path_for_log, route
from wire import plain_json
from wire.catalog import Catalog
from wire.limits import MIB

logger = logging.getLogger(__name__)

_KNOWN_TAGS = "tags_of_the_page"
_QUICK_MAX = MIB // 4
"""bytes of a list that is merged at once; a longer one would keep everybody waiting, and goes to a thread"""

_LISTS: Mapping[Route, Callable[[list[Any], Catalog, str], list[Any]]] = MappingProxyType(
    {
        Route.KINDS: lambda local, known, _: shown_kinds(local, known),
        Route.MODELS: shown_models,
        Route.EMBEDDINGS: lambda local, known, _: shown_embeddings(local, known),
        Route.FOLDERS: lambda local, known, _: shown_folders(local, known),
        Route.FILES: shown_files,
    }
)


@dataclass(frozen=True, slots=True)
class _Merged:
    """All nodes, as the page gets them, of ComfyUI's answer with this *digest* and this *catalog*."""

    digest: bytes
    catalog: Catalog
    text: bytes
    loaders: Infos

    def is_of(self, digest: bytes, catalog: Catalog) -> bool:
        return self.digest == digest and self.catalog is catalog


class NodeLists:
    """The addon. With *stand_in* the local ComfyUI is the sandbox, whose own nodes and models nobody wants."""

    def __init__(self, catalogs: Catalogs, *, stand_in: bool = False) -> None:
        self._catalogs, self._stand_in = catalogs, stand_in
        self._merged: _Merged | None = None
        self._merging = asyncio.Lock()

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        """ComfyUI must answer in full: what the page has of it may be merged with an older catalog."""
        if self._catalogs.current() is None or _route(flow) not in CATALOGED:
            return
        flow.metadata[_KNOWN_TAGS] = flow.request.headers.pop("If-None-Match", "")
        flow.request.headers.pop("If-Modified-Since", None)

    @fail_closed
    async def response(self, flow: http.HTTPFlow) -> None:
        known = self._catalogs.current()
        if known is None or flow.response is None or _route(flow) not in CATALOGED:
            return
        try:
            text = await self._text(flow, flow.response, known.catalog)
        except Exception:  # the local ComfyUI's answer is better than none
            logger.exception("what the endpoint has is not in the answer to %s", path_for_log(flow.request.path))
            return
        if text is not None:
            _answer(flow, flow.response, text)

    async def _text(self, flow: http.HTTPFlow, response: http.Response, catalog: Catalog) -> bytes | None:
        """The merged answer; None when ComfyUI's own passes."""
        matched = route(flow.request.method, flow.request.path)
        argument = matched.argument or ""
        if response.status_code != 200:
            return _instead_of_error(matched.route, argument, response.status_code, catalog)
        body = content(response, CATALOGED_MAX)
        if matched.route is Route.NODES:
            return await self._nodes(body, catalog)
        work = self._one if matched.route is Route.NODE else _listed
        if len(body) <= _QUICK_MAX:
            return work(matched.route, argument, body, catalog)
        return await asyncio.to_thread(work, matched.route, argument, body, catalog)

    async def _nodes(self, body: bytes, catalog: Catalog) -> bytes | None:
        digest = hashlib.sha256(body).digest()
        async with self._merging:
            if self._merged is None or not self._merged.is_of(digest, catalog):
                self._merged = await asyncio.to_thread(_all_merged, digest, body, catalog, self._stand_in)
            return self._merged.text if self._merged else None

    def _one(self, _: Route, name: str, body: bytes, catalog: Catalog) -> bytes | None:
        local = plain_json.loads(body)
        if not isinstance(local, dict):
            return None
        loaders = self._merged.loaders if self._merged is not None else {}
        if self._stand_in and catalog.nodes and name not in catalog.nodes:
            return b"{}"
        info = merged_class(name, local.get(name), catalog, loaders)
        return _json({} if info is None else {name: info})


def _all_merged(digest: bytes, body: bytes, catalog: Catalog, stand_in: bool) -> _Merged | None:
    local = plain_json.loads(body)
    if not isinstance(local, dict):
        return None
    return _Merged(digest, catalog, _json(merged_nodes(local, catalog, stand_in=stand_in)), loaders_of(local))


def _listed(found: Route, kind: str, body: bytes, catalog: Catalog) -> bytes | None:
    local = plain_json.loads(body)
    return _json(_LISTS[found](local, catalog, kind)) if isinstance(local, list) else None


def _instead_of_error(found: Route, kind: str, status: int, catalog: Catalog) -> bytes | None:
    """ComfyUI answers 404 for a kind of model that it does not know, which the endpoint may."""
    if status != 404 or found not in (Route.MODELS, Route.FILES) or kind not in catalog.models:
        return None
    return _json(_LISTS[found]([], catalog, kind))


def _answer(flow: http.HTTPFlow, response: http.Response, text: bytes) -> None:
    """Answer with the JSON *text*. Where ComfyUI tells an ETag, the page gets one of the whole."""
    headers = response.headers
    tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"' if headers.pop("ETag", None) else None
    for name in ("Content-Encoding", "Last-Modified"):
        headers.pop(name, None)
    if tag is not None:
        headers["ETag"] = tag
    if tag is not None and tag in flow.metadata.get(_KNOWN_TAGS, ""):
        flow.response = http.Response.make(304, b"", headers)
        for name in ("Content-Length", "Transfer-Encoding"):  # a 304 has no body
            flow.response.headers.pop(name, None)
        return
    response.status_code, response.reason = 200, "OK"
    headers["Content-Type"] = "application/json; charset=utf-8"
    response.content = text


def _route(flow: http.HTTPFlow) -> Route:
    return route(flow.request.method, flow.request.path).route


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
