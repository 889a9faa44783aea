"""Which feature flags pass from one side to the other."""

from typing import Any

import pytest

from proxy.websocket.feature_flags import flags_for_comfyui, flags_for_page


@pytest.mark.parametrize(
    ("flags", "passed"),
    [
        ({}, {}),
        ({"supports_preview_metadata": True}, {"supports_preview_metadata": True}),
        ({"max_upload_size": 7, "assets": True}, {"max_upload_size": 7}),
        ({"extension": {"manager": {"supports_v4": True}}}, {"extension": {"manager": {"supports_v4": True}}}),
        (
            {"assets": True, "supports_progress_text_metadata": True, "partner_run_gate_enabled": 1},
            {"partner_run_gate_enabled": 1},
        ),
    ],
)
def test_a_page_gets_the_flags_that_the_proxy_keeps_as_well(flags: dict[str, Any], passed: dict[str, Any]) -> None:
    assert flags_for_page(flags) == passed


@pytest.mark.parametrize(
    ("flags", "passed"),
    [
        ({}, {}),
        ({"supports_manager_v4_ui": True}, {"supports_manager_v4_ui": True}),
        ({"supports_preview_metadata": False}, {"supports_preview_metadata": False}),
        ({"supports_progress_text_metadata": True, "assets": True, "new": [1]}, {"new": [1]}),
    ],
)
def test_comfyui_gets_the_flags_that_the_proxy_can_pass_on(flags: dict[str, Any], passed: dict[str, Any]) -> None:
    assert flags_for_comfyui(flags) == passed
