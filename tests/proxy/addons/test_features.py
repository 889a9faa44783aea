"""GET /features."""

import pytest

from proxy.addons.features import Features
from tests.support.flows import answer, answered, asked

KNOWN = {"supports_preview_metadata": True, "max_upload_size": 7}
FLAGS = {**KNOWN, "assets": True, "supports_progress_text_metadata": True}


@pytest.mark.parametrize("path", ["/features", "/api/features", "/api/features?x=1"])
def test_a_page_gets_the_flags_that_the_websocket_sends(path: str) -> None:
    flow = answered(asked("GET", path), FLAGS)
    Features().response(flow)

    assert answer(flow) == (200, KNOWN)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/features", FLAGS, 500),
        ("/features", ["assets"], 200),
        ("/api/queue", FLAGS, 200),
        ("/featuresx", FLAGS, 200),
    ],
)
def test_every_other_answer_stays_as_it_is(path: str, body: object, status: int) -> None:
    flow = answered(asked("GET", path), body, status)
    Features().response(flow)

    assert answer(flow) == (status, body)
