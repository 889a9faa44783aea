"""The shapes that ComfyUI's page understands."""

import math

from mitmproxy import http

from proxy.addons.responses import comfy_error, empty_response, json_response, json_text_response
from tests.support.strict_json import strictly_parsed


def test_json_is_never_kept_by_the_browser() -> None:
    response = json_response(200, {"ü": 1})

    assert strictly_parsed(response.content or b"") == {"ü": 1}
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"


def test_every_browser_can_parse_it() -> None:
    assert strictly_parsed(json_response(200, {"a": [math.nan, -math.inf]}).content or b"") == {"a": [None, None]}


def test_json_that_is_text_already_goes_out_as_it_is() -> None:
    assert json_text_response(200, '{"seed": 18446744073709551615}').content == b'{"seed": 18446744073709551615}'


def test_an_error_has_comfyuis_shape() -> None:
    response = comfy_error(503, "comfyui_unavailable", "ComfyUI does not answer", "at http://x")

    assert response.status_code == 503
    assert strictly_parsed(response.content or b"") == {
        "error": {
            "type": "comfyui_unavailable",
            "message": "ComfyUI does not answer",
            "details": "at http://x",
            "extra_info": {},
        },
        "node_errors": {},
    }


def test_an_empty_answer_says_that_it_is_empty() -> None:
    response: http.Response = empty_response()

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == "0"
    assert "Content-Type" not in response.headers
