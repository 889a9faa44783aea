"""Reading ComfyUI's JSON answers and writing them back with ours in them; shared by the merging addons."""

import zlib
from typing import Any

from mitmproxy import http

from proxy.addons.routes import MERGED_MAX
from wire import plain_json
from wire.limits import MIB

_ZLIB = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""the codings that ComfyUI's own server knows, as zlib's ``wbits``"""


class BodyUnreadable(ValueError):
    """The body's coding is unknown or broken, or it is too large when it is decoded."""


def content(message: http.Message, size_max: int) -> bytes:
    """The body without its Content-Encoding: of a small one that becomes very large no more than that is read.

    Raises BodyUnreadable.
    """
    raw, coding = message.raw_content or b"", message.headers.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        raw = _decoded(raw, coding, size_max + 1)
    if len(raw) > size_max:
        raise BodyUnreadable(f"the body has more than {size_max / MIB:g} MiB")
    return raw


def _decoded(raw: bytes, coding: str, size: int) -> bytes:
    if coding not in _ZLIB:
        raise BodyUnreadable(f"the body's coding {coding[:80]!r} is not known")
    decoder = zlib.decompressobj(_ZLIB[coding])
    try:
        found = decoder.decompress(raw, size)
    except zlib.error as error:
        raise BodyUnreadable(f"the body is not {coding}: {error}") from error
    if not decoder.eof and len(found) < size:
        raise BodyUnreadable("the body ends too soon")
    return found


def body_object(flow: http.HTTPFlow) -> dict[str, Any]:
    """The request's JSON object; ``{}`` for an empty or unreadable body, which ComfyUI judges itself."""
    try:
        value = plain_json.loads(content(flow.request, MIB) or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def upstream_object(flow: http.HTTPFlow) -> dict[str, Any] | None:
    """ComfyUI's JSON object; None when it answered anything else, which then passes unchanged."""
    value = _upstream_value(flow)
    return value if isinstance(value, dict) else None


def upstream_list(flow: http.HTTPFlow) -> list[Any] | None:
    """The same for a list."""
    value = _upstream_value(flow)
    return value if isinstance(value, list) else None


def _upstream_value(flow: http.HTTPFlow) -> Any:
    if flow.response is None or flow.response.status_code != 200:
        return None
    try:
        return plain_json.loads(content(flow.response, MERGED_MAX))
    except ValueError:
        return None


def replace_body(flow: http.HTTPFlow, text: str) -> None:
    """Answer with the JSON *text*, uncompressed: the browser is near, and compressing takes long."""
    if flow.response is None:
        raise RuntimeError("the flow has no answer to merge into")
    flow.response.headers.pop("Content-Encoding", None)
    flow.response.content = text.encode()
