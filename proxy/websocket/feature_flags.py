"""Feature flags: what is said on either side only when both the proxy and ComfyUI mean the same by it.

A flag changes what the other side does: with ``supports_progress_text_metadata`` frame 3 has another form, with
``assets`` the page lists results by an API that knows nothing of remote ones. So what is not in these lists is not
passed on. Source: ComfyUI comfy_api/feature_flags.py; ComfyUI_frontend clientFeatureFlags.json.
"""

from collections.abc import Mapping
from typing import Any

_OF_SERVERS = frozenset({"supports_preview_metadata", "max_upload_size", "extension", "node_replacements"})
_OF_PAGES = frozenset({"supports_preview_metadata", "supports_manager_v4_ui"})


def announced(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What a page is told of ComfyUI's *flags*, by the websocket and by GET /features alike."""
    return {name: value for name, value in flags.items() if name in _OF_SERVERS}


def understood(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What ComfyUI is told of the page's *flags*."""
    return {name: value for name, value in flags.items() if name in _OF_PAGES}
