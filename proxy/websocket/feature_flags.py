"""Feature flags: all are passed on but the ones that change what the proxy takes part in.

``supports_progress_text_metadata`` gives frame 3 another form, and with ``assets`` the page lists results by an API
that lacks the remote ones. The others are between the page and its ComfyUI (``--feature-flag``, partner nodes, …).
Source: ComfyUI comfy_api/feature_flags.py; ComfyUI_frontend clientFeatureFlags.json.
"""

from collections.abc import Mapping
from typing import Any

_KEPT_BACK = frozenset({"assets", "supports_progress_text_metadata"})


def flags_for_page(flags: Mapping[str, Any]) -> dict[str, Any]:
    """ComfyUI's *flags* as a page gets them, by the websocket and by GET /features alike."""
    return _passed(flags)


def flags_for_comfyui(flags: Mapping[str, Any]) -> dict[str, Any]:
    """A page's *flags* as ComfyUI gets them."""
    return _passed(flags)


def _passed(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if name not in _KEPT_BACK}
