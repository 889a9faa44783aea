"""Feature flags: the ones that are passed on because the proxy and ComfyUI mean the same by them.

A flag changes what the other side does: ``supports_progress_text_metadata`` gives frame 3 another form, and with
``assets`` the page lists results by an API that lacks the remote ones. So a flag that is not in these lists is dropped.
Source: ComfyUI comfy_api/feature_flags.py; ComfyUI_frontend clientFeatureFlags.json.
"""

from collections.abc import Mapping
from typing import Any

_OF_COMFYUI = frozenset({"supports_preview_metadata", "max_upload_size", "extension", "node_replacements"})
_OF_PAGES = frozenset({"supports_preview_metadata", "supports_manager_v4_ui"})


def flags_for_page(flags: Mapping[str, Any]) -> dict[str, Any]:
    """ComfyUI's *flags* as a page gets them, by the websocket and by GET /features alike."""
    return {name: value for name, value in flags.items() if name in _OF_COMFYUI}


def flags_for_comfyui(flags: Mapping[str, Any]) -> dict[str, Any]:
    """A page's *flags* as ComfyUI gets them."""
    return {name: value for name, value in flags.items() if name in _OF_PAGES}
