"""Our own page and API, and the script in ComfyUI's page."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http

import proxy
from proxy.addons.panel import SCRIPT, Panel
from proxy.job_actions import NoSuchJob, NotNow
from tests.support.flows import answer, answered, asked


async def fine() -> dict[str, Any]:
    return {"fine": True}


def listed(status: str | None, limit: int) -> dict[str, Any]:
    if status == "odd":
        raise ValueError("status must be one of pending, running")
    return {"jobs": [status, limit]}


def no_action(prompt_id: str, action: str, *, dry: bool) -> dict[str, Any]:
    raise NoSuchJob(prompt_id)


def panel() -> Panel:
    return Panel(fine, listed, no_action)


@pytest.mark.parametrize(
    ("path", "kind", "holds"),
    [
        ("/runpod/", "text/html", b"<h1>"),
        ("/runpod/?x=1", "text/html", b"<h1>"),
        (SCRIPT, "application/javascript", b"runpod.notice"),
        ("/extensions/comfy-runpod/toast.js", "application/javascript", b"export"),
        ("/extensions/comfy-runpod/runpod.css", "text/css", b"#comfy-runpod-toast"),
    ],
)
async def test_the_page_and_its_script_are_served_fresh(path: str, kind: str, holds: bytes) -> None:
    flow = asked("GET", path)
    await panel().request(flow)

    assert flow.response is not None
    assert flow.response.headers["Content-Type"] == f"{kind}; charset=utf-8"
    assert flow.response.headers["Cache-Control"] == "no-cache"
    assert holds in (flow.response.content or b"")


_STATIC = Path(proxy.__file__).parent / "static"


@pytest.mark.parametrize("script", sorted(_STATIC.glob("*.js")), ids=lambda script: script.name)
async def test_what_a_script_imports_is_served(script: Path) -> None:
    imported = re.findall(r'from "\./([\w.]+)"', script.read_text(encoding="utf-8"))
    flows = [asked("GET", f"/extensions/comfy-runpod/{name}") for name in (script.name, *imported)]
    for flow in flows:
        await panel().request(flow)

    assert [flow.response.status_code for flow in flows if flow.response] == [200] * len(flows)


@pytest.mark.parametrize("script", sorted(_STATIC.glob("*.js")), ids=lambda script: script.name)
def test_no_script_makes_markup_of_data(script: Path) -> None:
    source = script.read_text(encoding="utf-8")
    found = [word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write") if word in source]

    assert found == []


async def test_the_page_needs_its_slash() -> None:
    flow = asked("GET", "/runpod")
    await panel().request(flow)

    assert flow.response is not None
    assert (flow.response.status_code, flow.response.headers["Location"]) == (308, "/runpod/")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/runpod/api/status", {"fine": True}),
        ("/runpod/api/jobs", {"jobs": [None, 100]}),
        ("/runpod/api/jobs?status=failed&limit=3", {"jobs": ["failed", 3]}),
        ("/runpod/api/jobs?limit=-5", {"jobs": [None, 0]}),
    ],
)
async def test_the_api_answers(path: str, expected: dict[str, Any]) -> None:
    flow = asked("GET", path)
    await panel().request(flow)

    assert answer(flow) == (200, expected)


@pytest.mark.parametrize(
    ("path", "status", "details"),
    [
        ("/runpod/nothing", 404, "/runpod/nothing"),
        ("/runpod/api/jobs?limit=x", 400, "invalid literal for int() with base 10: 'x'"),
        ("/runpod/api/jobs?status=odd", 400, "status must be one of pending, running"),
    ],
)
async def test_a_wrong_address_is_said(path: str, status: int, details: str) -> None:
    flow = asked("GET", path)
    await panel().request(flow)
    found, body = answer(flow)

    assert found == status
    assert body["error"]["details"] == details


@pytest.mark.parametrize("line", ["GET /", "GET /runpodx", "PUT /runpod/api/status", "GET /extensions/other/x.js"])
async def test_everything_else_is_comfyuis(line: str) -> None:
    flow = asked(*line.split(" "))
    await panel().request(flow)

    assert flow.response is None


@pytest.mark.parametrize("path", ["/extensions", "/api/extensions"])
def test_the_pages_list_of_scripts_gets_ours(path: str) -> None:
    plain = answered(asked("GET", path), ["/extensions/core/a.js"])
    compressed = answered(asked("GET", path), b"[]", Content_Encoding="gzip")
    for flow in (plain, compressed):
        panel().response(flow)

    assert answer(plain) == (200, ["/extensions/core/a.js", SCRIPT])
    assert answer(compressed) == (200, [SCRIPT])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/extensions", b"[]", 500),
        ("/api/extensions", b"{}", 200),
        ("/api/extensions", b"<html>", 200),
        ("/api/queue", b"[]", 200),
    ],
)
def test_an_answer_that_is_not_a_list_stays_as_it_is(path: str, body: bytes, status: int) -> None:
    flow = answered(asked("GET", path), body, status)
    panel().response(flow)

    assert flow.response is not None
    assert (flow.response.status_code, flow.response.content) == (status, body)


async def told(body: Mapping[str, Any], dry: bool) -> dict[str, Any]:
    if body.get("not now"):
        raise NotNow("busy")
    return {"body": dict(body), "dry": dry}


MORE = {("GET", "/runpod/api/catalog"): told, ("POST", "/runpod/api/catalog/refresh"): told}


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (asked("GET", "/runpod/api/catalog"), (200, {"body": {}, "dry": False})),
        (asked("POST", "/runpod/api/catalog/refresh"), (200, {"body": {}, "dry": False})),
        (asked("POST", "/runpod/api/catalog/refresh?dry=1", {"a": 1}), (200, {"body": {"a": 1}, "dry": True})),
    ],
)
async def test_further_routes_answer(flow: http.HTTPFlow, expected: tuple[int, Any]) -> None:
    await Panel(fine, listed, no_action, MORE).request(flow)

    assert answer(flow) == expected


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/runpod/api/catalog", None, 404),
        ("GET", "/runpod/api/catalog/refresh", None, 404),
        ("POST", "/runpod/api/catalog/refresh", b"[]", 400),
        ("POST", "/runpod/api/catalog/refresh", b"{", 400),
        ("POST", "/runpod/api/catalog/refresh", b"[" * 100_000, 400),
        ("POST", "/runpod/api/catalog/refresh", {"not now": True}, 409),
    ],
)
async def test_a_wrong_request_to_them_is_said(method: str, path: str, body: object, status: int) -> None:
    flow = asked(method, path, body)
    await Panel(fine, listed, no_action, MORE).request(flow)

    assert answer(flow)[0] == status
