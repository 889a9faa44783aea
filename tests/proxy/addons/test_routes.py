"""Request lines and routes."""

import pytest

from proxy.addons.routes import Matched, Route, path_for_log, route


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("POST /prompt", Matched(Route.PROMPT)),
        ("POST /api/prompt", Matched(Route.PROMPT)),
        ("POST /api/prompt?client=1", Matched(Route.PROMPT)),
        ("POST /%70rompt", Matched(Route.PROMPT)),
        ("POST /%61pi/prom%70t", Matched(Route.PROMPT)),
        ("GET /prompt", Matched(Route.PROMPT_STATUS)),
        ("POST /prompt/", Matched(Route.OTHER)),
        ("POST /api/api/prompt", Matched(Route.OTHER)),
        ("GET /queue", Matched(Route.QUEUE)),
        ("POST /api/queue", Matched(Route.QUEUE)),
        ("POST /api/interrupt", Matched(Route.INTERRUPT)),
        ("GET /api/history?max_items=64", Matched(Route.HISTORY)),
        ("GET /history/abc", Matched(Route.HISTORY_ITEM, "abc")),
        ("GET /api/jobs?status=a", Matched(Route.JOBS)),
        ("GET /jobs", Matched(Route.OTHER)),
        ("GET /api/jobs/abc", Matched(Route.JOB, "abc")),
        ("POST /api/jobs/abc/cancel", Matched(Route.JOB_CANCEL, "abc")),
        ("POST /api/jobs/cancel", Matched(Route.JOBS_CANCEL)),
        ("GET /ws?clientId=1", Matched(Route.SOCKET)),
        ("GET /view?filename=a.svg", Matched(Route.VIEW)),
        ("HEAD /api/%76iew?filename=a.svg", Matched(Route.VIEW)),
        ("GET /api/assets/5f/content", Matched(Route.VIEW, "5f")),
        ("GET /api/view_metadata/loras", Matched(Route.OTHER)),
        ("GET /api/ws", Matched(Route.SOCKET)),
        ("GET /object_info", Matched(Route.NODES)),
        ("GET /api/object_info/K%20Sampler%2F2", Matched(Route.OTHER)),
        ("GET /api/object_info/K%20Sampler", Matched(Route.NODE, "K Sampler")),
        ("GET /api/models", Matched(Route.KINDS)),
        ("GET /models/loras", Matched(Route.MODELS, "loras")),
        ("GET /api/embeddings", Matched(Route.EMBEDDINGS)),
        ("GET /experiment/models", Matched(Route.FOLDERS)),
        ("GET /api/experiment/models/vae", Matched(Route.FILES, "vae")),
        ("GET /experiment/models/preview/vae/0/a.pt", Matched(Route.OTHER)),
        ("GET /extensions", Matched(Route.EXTENSIONS)),
        ("GET /extensions/comfy-runpod/runpod.js", Matched(Route.OURS)),
        ("GET /extensions/other/x.js", Matched(Route.OTHER)),
        ("GET /runpod/", Matched(Route.OURS)),
        ("GET /runpod", Matched(Route.OURS)),
        ("GET /runpodx", Matched(Route.OTHER)),
        ("POST /upload/image", Matched(Route.UPLOAD, "image")),
        ("GET /assets/index-BA-sjSl5.js", Matched(Route.ASSET)),
        ("GET /assets/images/logo.svg", Matched(Route.OTHER)),
        ("GET /", Matched(Route.OTHER)),
    ],
)
def test_a_request_line_means_one_route(line: str, expected: Matched) -> None:
    method, path = line.split(" ")

    assert route(method, path) == expected


@pytest.mark.parametrize(("path", "logged"), [("/queue?token=secret", "/queue"), ("/" + "a" * 1000, "/" + "a" * 199)])
def test_no_query_is_logged_and_no_long_path(path: str, logged: str) -> None:
    assert path_for_log(path) == logged
