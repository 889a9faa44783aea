"""Files that ComfyUI hands out are shown and never run: a result may be an SVG or XML with a script in it.

A page of ComfyUI's origin can press Run, so ``sandbox`` takes a viewed document's origin and its scripts away. Pictures
and films inside a page are not touched by it. ComfyUI 0.33 sends such files as downloads; earlier ones do not.
"""

from mitmproxy import http

from proxy.addons.routes import Route, route


class ViewedFiles:
    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response is None or route(flow.request.method, flow.request.path).route is not Route.VIEW:
            return
        flow.response.headers.add("Content-Security-Policy", "sandbox")  # beside ComfyUI's own, if there is one
        flow.response.headers["X-Content-Type-Options"] = "nosniff"
