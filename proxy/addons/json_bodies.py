"""Reading ComfyUI's JSON answers and writing them back with ours in them; shared by the merging addons."""

from typing import Any

from mitmproxy import http

from wire import plain_json


def body_object(flow: http.HTTPFlow) -> dict[str, Any]:
    """The request's JSON object; ``{}`` for an empty or unreadable body, which ComfyUI judges itself."""
    try:
        value = plain_json.loads(flow.request.get_content(strict=False) or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def upstream_object(flow: http.HTTPFlow) -> dict[str, Any] | None:
    """ComfyUI's JSON object; None when it answered anything else, which then passes unchanged."""
    if flow.response is None or flow.response.status_code != 200:
        return None
    try:
        value = plain_json.loads(flow.response.get_content(strict=False) or b"")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def replace_body(flow: http.HTTPFlow, text: str) -> None:
    """Answer with the JSON *text*, uncompressed: the browser is near, and compressing takes long."""
    if flow.response is None:
        raise RuntimeError("there is no answer to merge into")
    flow.response.headers.pop("Content-Encoding", None)
    flow.response.content = text.encode()
