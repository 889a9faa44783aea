"""What a file of ComfyUI's is sent with."""

import pytest

from proxy.addons.viewed_files import ViewedFiles
from tests.support.flows import answered, asked


@pytest.mark.parametrize("path", ["/view?filename=a.svg", "/api/view?filename=a.xml", "/api/assets/5f/content"])
def test_a_file_cannot_run_as_a_page(path: str) -> None:
    flow = answered(asked("GET", path), {})
    ViewedFiles().responseheaders(flow)

    assert flow.response is not None
    assert flow.response.headers["Content-Security-Policy"] == "sandbox"
    assert flow.response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_policy_of_comfyuis_stays_beside_ours() -> None:
    flow = answered(asked("GET", "/view?filename=a.svg"), {})
    assert flow.response is not None
    flow.response.headers["Content-Security-Policy"] = "default-src 'self'"
    ViewedFiles().responseheaders(flow)

    assert flow.response.headers.get_all("Content-Security-Policy") == ["default-src 'self'", "sandbox"]


@pytest.mark.parametrize("path", ["/", "/assets/index-12345678.js", "/api/view_metadata/loras", "/runpod/"])
def test_pages_and_scripts_are_as_they_were(path: str) -> None:
    flow = answered(asked("GET", path), {})
    ViewedFiles().responseheaders(flow)

    assert flow.response is not None
    assert "Content-Security-Policy" not in flow.response.headers
