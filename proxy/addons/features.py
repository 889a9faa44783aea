"""GET /features: the flags that the page may rely on, as the websocket sends them."""

from mitmproxy import http

from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import replace_body, upstream_object
from proxy.addons.routes import Route, route
from proxy.websocket.feature_flags import flags_for_page
from wire import plain_json


class Features:
    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is not Route.FEATURES:
            return
        if (flags := upstream_object(flow)) is not None:
            replace_body(flow, plain_json.dumps(flags_for_page(flags)))
