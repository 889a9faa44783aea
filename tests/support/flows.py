"""A flow of mitmproxy, as the hooks of an addon get it: they are called by the tests as mitmproxy calls them."""

import json
from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.test import tflow, tutils

_LOOPBACK = "127.0.0.1:8189"


@dataclass
class Sink:
    """Where a long refused body would go."""

    host: str = "127.0.0.1"
    port: int = 4711


def asked(method: str, path: str, body: object = None, **headers: str) -> http.HTTPFlow:
    """A request that has come; *body* is sent as it is when it is bytes, else as JSON. ``_`` in a header is a dash."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = http.Headers([(name.encode(), value.encode()) for name, value in ({"Host": _LOOPBACK} | named).items()])
    request = tutils.treq(
        method=method.encode(), path=path.encode(), content=content, headers=fields, host="127.0.0.1", port=8188
    )
    if content and "Transfer-Encoding" not in fields:
        request.headers.setdefault("Content-Length", str(len(content)))
    return tflow.tflow(req=request, resp=False)


def answered(flow: http.HTTPFlow, body: object, status: int = 200, **headers: str) -> http.HTTPFlow:
    """*flow* with ComfyUI's answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    flow.response = http.Response.make(status, content, named)
    return flow


def answer(flow: http.HTTPFlow) -> tuple[int, Any]:
    """Status and JSON of the response; None when there is no body."""
    assert flow.response is not None
    content = flow.response.content
    return flow.response.status_code, json.loads(content) if content else None
