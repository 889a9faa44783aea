"""GET /features: the flags that the page may rely on, the same as those told by the websocket."""

import json

from mitmproxy import http

from proxy.addons.fail_closed import closed
from proxy.addons.json_bodies import replace_body, upstream_object
from proxy.addons.routes import Route, route
from proxy.websocket.feature_flags import announced


class Features:
    @closed
    def response(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is not Route.FEATURES:
            return
        if (flags := upstream_object(flow)) is not None:
            replace_body(flow, json.dumps(announced(flags)))
