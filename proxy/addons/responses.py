"""Answers in the shapes that ComfyUI's frontend understands; shared by the addons."""

from typing import Any

from mitmproxy import http

from wire import plain_json

_JSON = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}


def json_response(status: int, value: Any) -> http.Response:
    """*value* as JSON, in a form that every browser can parse."""
    return json_text_response(status, plain_json.dumps(value))


def json_text_response(status: int, text: str) -> http.Response:
    """*text* is JSON."""
    return http.Response.make(status, text, _JSON)


def comfy_error(status: int, error_type: str, message: str, details: str = "") -> http.Response:
    """ComfyUI's error body (server.py ``post_prompt``); the page shows ``message: details``."""
    error = {"type": error_type, "message": message, "details": details, "extra_info": {}}
    return json_response(status, {"error": error, "node_errors": {}})


def empty_response(status: int = 200) -> http.Response:
    """As ComfyUI answers POST /queue, /history, /interrupt: nothing, with Content-Length 0."""
    return http.Response.make(status, b"", {"Content-Length": "0"})
