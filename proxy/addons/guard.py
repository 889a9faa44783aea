"""Refuses every request that a foreign page could have caused, before anything else sees it."""

import logging
from collections.abc import Mapping
from types import MappingProxyType

from mitmproxy import http

from proxy.addons.refusing import Sink, refuse
from proxy.addons.responses import comfy_error
from proxy.addons.routes import path_for_log
from wire.origin import refusal

logger = logging.getLogger(__name__)


class Guard:
    """*names* are host names that are admitted as well, each with the scheme of its page."""

    def __init__(self, sink: Sink, *, allow_remote: bool, names: Mapping[str, str] = MappingProxyType({})) -> None:
        self._sink = sink
        self._allow_remote = allow_remote
        self._names = names

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        try:
            headers = request.headers.items(multi=True)
            reason = refusal(request.method, headers, allow_remote=self._allow_remote, names=self._names)
        except Exception:  # a guard that cannot judge refuses
            logger.exception("the origin check failed")
            reason = "the request could not be checked"
        if reason is not None:
            logger.warning("refused %s %s: %s", request.method, path_for_log(request.path), reason)
            refuse(flow, comfy_error(403, "forbidden", "Forbidden", reason), self._sink)
