"""ComfyUI's own websocket messages: parse and render.

Source: ComfyUI 0.3.64 and 0.8.0, server.py (``send``, ``send_image``, ``send_progress_text``) and protocol.py.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any

from wire import plain_json
from wire.errors import WireError

_PREVIEW, _TEXT, _PREVIEW_WITH_METADATA = 1, 3, 4
_HEAD_MAX = 64 * 1024
"""bytes before the picture or the text: a node's id, or the metadata of a preview"""
_IMAGE_KINDS = {1: "image/jpeg", 2: "image/png"}
_PICTURES = (b"\xff\xd8", b"\x89PNG")
"""how what ComfyUI sends as a preview begins; custom nodes put bytes of their own before it"""

RESULT_TYPE = "image/png"
"""A frame of this type is not a preview but a picture that a node delivers this way, and must not be dropped.

Source: ComfyUI custom_nodes/websocket_image_save.py; the previews of samplers are JPEG (latent_preview.py).
"""


OWN_TYPES = frozenset(
    {
        *("status", "feature_flags", "execution_start", "execution_cached", "executing", "executed", "progress"),
        *("progress_state", "execution_success", "execution_error", "execution_interrupted", "notification", "logs"),
        *("b_preview", "b_preview_with_metadata", "progress_text", "display_component", "asset_download"),
        *(
            "asset_export",
            "reconnecting",
            "reconnected",
            "promptQueueing",
            "promptQueued",
            "graphChanged",
            "graphCleared",
        ),
    }
)
"""messages of ComfyUI's own, and events that its page raises by itself (frontend, scripts/api.ts); see is_own"""
_OWN_PREFIXES = ("runpod.", "assets.", "comfy.")


def is_own(kind: str) -> bool:
    """Whether a message of this type is ComfyUI's or ours; the others come from custom nodes."""
    return kind in OWN_TYPES or kind.lower().startswith(_OWN_PREFIXES)


@dataclass(frozen=True, slots=True)
class Message:
    """A text message: ``{"type": …, "data": …}``."""

    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CustomMessage:
    """A text message of a custom node, to its own script in the page: *data* is any JSON."""

    type: str
    data: Any


@dataclass(frozen=True, slots=True)
class PreviewFrame:
    """A preview image: frame 4, or frame 1 when only *image_type* and *image* are known."""

    image: bytes
    image_type: str
    node_id: str | None = None
    prompt_id: str | None = None
    display_node_id: str | None = None
    parent_node_id: str | None = None
    real_node_id: str | None = None

    @property
    def is_result(self) -> bool:
        """Whether it must not be dropped."""
        return self.image_type == RESULT_TYPE


@dataclass(frozen=True, slots=True)
class TextFrame:
    """Progress text of a node: frame 3."""

    node_id: str
    text: str
    prompt_id: str | None = None


@dataclass(frozen=True, slots=True)
class UnknownFrame:
    """A binary frame of a custom node or of a newer ComfyUI, as it came."""

    frame: bytes

    @property
    def is_picture(self) -> bool:
        """Whether it is a preview with bytes of a custom node's own before its picture: a newer one replaces it."""
        return self.frame.startswith(struct.pack(">I", _PREVIEW))


ServerMessage = Message | CustomMessage | PreviewFrame | TextFrame | UnknownFrame


def parse_text(text: str) -> Message | CustomMessage:
    """A text frame; raises WireError when it is not a ComfyUI message."""
    try:
        value = plain_json.loads(text)
        kind, data = value["type"], value.get("data")
        if isinstance(kind, str) and not is_own(kind):
            return CustomMessage(kind, data)
        return Message(kind, data if isinstance(data, dict) else {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError(f"not a ComfyUI message: {text[:80]!r}") from error


def parse_binary(frame: bytes) -> PreviewFrame | TextFrame | UnknownFrame:
    """A binary frame; raises WireError when it is cut short or its metadata is not JSON."""
    try:
        (kind,) = struct.unpack_from(">I", frame)
        if kind == _PREVIEW:
            (image_kind,) = struct.unpack_from(">I", frame, 4)
            if not frame[8:].startswith(_PICTURES):
                return UnknownFrame(frame)
            return PreviewFrame(image=frame[8:], image_type=_IMAGE_KINDS.get(image_kind, "image/jpeg"))
        if kind == _TEXT:
            node, text = _cut(frame, 4)
            return TextFrame(node_id=node.decode(), text=text.decode())
        if kind == _PREVIEW_WITH_METADATA:
            metadata, image = _cut(frame, 4)
            return _preview(plain_json.loads(metadata), image)
        return UnknownFrame(frame)
    except (struct.error, ValueError, AttributeError) as error:
        raise WireError(f"unreadable binary frame of {len(frame)} bytes") from error


def _cut(frame: bytes, at: int) -> tuple[bytes, bytes]:
    (length,) = struct.unpack_from(">I", frame, at)
    if length > _HEAD_MAX:
        raise ValueError("too long")
    head, rest = frame[at + 4 : at + 4 + length], frame[at + 4 + length :]
    if len(head) != length:
        raise ValueError("cut short")
    return head, rest


def _preview(metadata: dict[str, Any], image: bytes) -> PreviewFrame:
    return PreviewFrame(
        image=image,
        image_type=metadata.get("image_type", "image/jpeg"),
        node_id=metadata.get("node_id"),
        prompt_id=metadata.get("prompt_id"),
        display_node_id=metadata.get("display_node_id"),
        parent_node_id=metadata.get("parent_node_id"),
        real_node_id=metadata.get("real_node_id"),
    )


def render_text(message: Message | CustomMessage) -> str:
    return json.dumps({"type": message.type, "data": message.data}, separators=(",", ":"))


def render_preview(frame: PreviewFrame, *, with_metadata: bool) -> bytes:
    """Frame 4, or the legacy frame 1 for clients that did not announce ``supports_preview_metadata``."""
    if not with_metadata:
        kind = 2 if frame.image_type == "image/png" else 1
        return struct.pack(">II", _PREVIEW, kind) + frame.image
    metadata = json.dumps({
        "node_id": frame.node_id,
        "prompt_id": frame.prompt_id,
        "display_node_id": frame.display_node_id,
        "parent_node_id": frame.parent_node_id,
        "real_node_id": frame.real_node_id,
        "image_type": frame.image_type,
    }).encode()  # fmt: skip
    return struct.pack(">II", _PREVIEW_WITH_METADATA, len(metadata)) + metadata + frame.image


def render_progress_text(frame: TextFrame) -> bytes:
    """Frame 3, in the form for clients and servers that did not announce ``supports_progress_text_metadata``."""
    node = frame.node_id.encode()
    return struct.pack(">II", _TEXT, len(node)) + node + frame.text.encode()
