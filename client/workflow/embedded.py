"""The workflow inside a picture, video, sound or model, as ComfyUI writes it there.

Source: ComfyUI 0.33 nodes.py ``SaveImage``, comfy_extras/nodes_images.py (animated pictures), comfy_api/latest (videos,
sounds); ComfyUI_frontend 1.49 src/scripts/metadata.
"""

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from wire import plain_json
from wire.graph import is_page_format
from wire.limits import MIB

Bytes = bytes | memoryview
"""a file; a large one is mapped into memory, not read"""

_TEXT_MAX = 64 * MIB
"""of a file, in which a workflow is looked for"""
_PARTS_MAX = 100_000
_TRIES_MAX = 2_000
_BOXES = {b"moov", b"udta", b"meta", b"ilst"}
_INSIDE = re.compile(r'(":|[}\]"\w]\s*,|[:,\[]\s*\[)\s*$')
_PNG_TEXTS = {b"tEXt", b"zTXt", b"iTXt", b"comf", b"eXIf"}


def workflows_in(data: Bytes) -> tuple[Any, Any]:
    """The graph in page format and the prompt in API format that *data* holds; None for each that it does not."""
    graph = prompt = None
    for text in _texts(data):
        for value in (each for found in _objects(text) for each in _unpacked(found)):
            if graph is None and is_page_format(value):
                graph = value
            elif prompt is None and _is_prompt(value):
                prompt = value
            if graph is not None and prompt is not None:
                return graph, prompt
    return graph, prompt


def _is_prompt(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(
        isinstance(node, dict) and "class_type" in node for node in value.values()
    )  # fmt: skip


def _objects(text: str) -> Iterator[Any]:
    """The JSON objects in *text*, between whatever else is there."""
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    at = text.find('{"')
    for _ in range(_TRIES_MAX):
        if at < 0:
            return
        end = at + 1
        try:
            value, end = decoder.raw_decode(text, at) if _is_outermost(text, at) else (None, end)
        except (ValueError, RecursionError):
            value = None
        yield plain_json.finite(value)
        at = text.find('{"', end)


def _unpacked(value: Any) -> Iterator[Any]:
    """*value*, and what drawings and tensor files keep in it by the names of the two forms, as JSON or as its text."""
    yield value
    packed = value.get("__metadata__", value) if isinstance(value, dict) else None
    for name in ("workflow", "prompt"):
        found = packed.get(name) if isinstance(packed, dict) else None
        if isinstance(found, dict):
            yield found
        elif isinstance(found, str):
            yield from _objects(found)


def _is_outermost(text: str, at: int) -> bool:
    """Whether no JSON is around the object at *at*: a subgraph of a damaged workflow is not the workflow."""
    return _INSIDE.search(text[max(0, at - 40) : at]) is None


def _texts(data: Bytes) -> Iterator[str]:
    """What a file says of itself, without its pictures and sounds."""
    left = _TEXT_MAX
    for part in _parts(data):
        yield bytes(part[:left]).decode("utf-8", "replace")
        left -= len(part)
        if left <= 0:
            return


def _parts(data: Bytes) -> Iterator[Bytes]:
    for start, reader in _READERS:
        if bytes(data[: len(start)]) == start:
            yield from reader(data)
            return
    if bytes(data[4:8]) == b"ftyp":
        yield from _boxes(data, 0, len(data))
    elif bytes(data[:1]) == b"<" or b'"__metadata__"' in bytes(data[:64]):  # SVG, safetensors
        yield data[: 8 * MIB]


def _png(data: Bytes) -> Iterator[Bytes]:
    """Texts stand before the picture, those of an animation behind it."""
    at = 8
    for _ in range(_PARTS_MAX):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if kind in _PNG_TEXTS:
            content = data[at + 8 : at + 8 + length]
            yield _inflated(content) if kind in (b"zTXt", b"iTXt") else content
        at += 12 + length


def _inflated(content: Bytes) -> bytes:
    """A text chunk, with what is compressed in it."""
    found = bytes(content)
    _, _, behind = found.partition(b"\0")
    packed = behind.find(b"x")
    if b'{"' in found or packed < 0:
        return found
    try:
        return zlib.decompressobj().decompress(behind[packed:], _TEXT_MAX)
    except zlib.error:
        return found


def _riff(data: Bytes) -> Iterator[Bytes]:
    at = 12
    for _ in range(_PARTS_MAX):
        if at + 8 > len(data):
            return
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        if kind in (b"EXIF", b"XMP "):
            yield data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _flac(data: Bytes) -> Iterator[Bytes]:
    at = 4
    for _ in range(_PARTS_MAX):
        if at + 4 > len(data):
            return
        head, length = data[at], int.from_bytes(data[at + 1 : at + 4], "big")
        if head & 0x7F == 4:  # comments
            yield data[at + 4 : at + 4 + length]
        at += 4 + length
        if head & 0x80:
            return


def _ogg(data: Bytes) -> Iterator[Bytes]:
    """The first packets, put together from their pages."""
    found, at = bytearray(), 0
    while at + 27 <= len(data) and bytes(data[at : at + 4]) == b"OggS" and len(found) < 8 * MIB:
        segments = data[at + 26]
        length = sum(data[at + 27 : at + 27 + segments])
        found += data[at + 27 + segments : at + 27 + segments + length]
        at += 27 + segments + length
    yield bytes(found)


def _id3(data: Bytes) -> Iterator[Bytes]:
    sizes = data[6:10]
    length = sizes[0] << 21 | sizes[1] << 14 | sizes[2] << 7 | sizes[3]
    yield data[10 : 10 + length]


def _boxes(data: Bytes, at: int, end: int, depth: int = 0) -> Iterator[Bytes]:
    """The list of texts of a video: moov, udta, meta, ilst; QuickTime's meta has no version before its boxes."""
    for _ in range(_PARTS_MAX):
        if at + 8 > end:
            return
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        head = 16 if length == 1 else 8
        length = int.from_bytes(data[at + 8 : at + 16], "big") if length == 1 else length or end - at
        if length < head:
            return
        if kind == b"ilst":
            yield data[at + head : min(at + length, end)]
        elif kind in _BOXES and depth < len(_BOXES):
            versioned = kind == b"meta" and bytes(data[at + head : at + head + 4]) == b"\0\0\0\0"
            yield from _boxes(data, at + head + 4 * versioned, min(at + length, end), depth + 1)
        at += length


def _matroska(data: Bytes) -> Iterator[Bytes]:
    """Its tags stand before or behind the pictures."""
    yield data[: 8 * MIB]
    if len(data) > 8 * MIB:
        yield data[-8 * MIB :]


def _glb(data: Bytes) -> Iterator[Bytes]:
    length = int.from_bytes(data[12:16], "little")
    content = bytes(data[20 : 20 + min(length, _TEXT_MAX)])
    try:
        extras = plain_json.loads(content).get("asset", {}).get("extras", {})
    except (ValueError, AttributeError):
        return
    for value in extras.values() if isinstance(extras, dict) else ():
        yield (value if isinstance(value, str) else plain_json.dumps(value)).encode()


_READERS: tuple[tuple[bytes, Callable[[Bytes], Iterator[Bytes]]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _riff),
    (b"fLaC", _flac),
    (b"OggS", _ogg),
    (b"ID3", _id3),
    (b"\x1aE\xdf\xa3", _matroska),
    (b"glTF", _glb),
)
