"""GET /features: the flags that the page may rely on, the same as those told by the websocket."""

import json

from mitmproxy import http

from proxy.addons.closed import closed
from proxy.addons.merging import replace_body, upstream_object
from proxy.core.features import announced
from proxy.core.routing import Route, route


class Features:
    @closed
    def response(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is not Route.FEATURES:
            return
        if (flags := upstream_object(flow)) is not None:
            replace_body(flow, json.dumps(announced(flags)))
