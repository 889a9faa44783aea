"""The manifest: size and SHA-256 of each model on the volume, or in an archive."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from wire.names import NameRefused, confined_path
from wire.plain_text import one_line

MANIFEST_MAX = 32 * 1024 * 1024
"""bytes: a hundred thousand files"""
_LONGEST = 1024
"""S3 takes no longer keys"""
_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ManifestUnreadable(ValueError):
    """The text is not a manifest, or has a newer version."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds."""

    size: int
    sha256: str


Manifest = Mapping[str, Content]
"""by the file's path below the models folder, with ``/``"""


def encode_manifest(manifest: Manifest) -> bytes:
    files = {name: {"size": content.size, "sha256": content.sha256} for name, content in sorted(manifest.items())}
    return json.dumps({"version": _VERSION, "files": files}, indent=1).encode()


def decode_manifest(text: bytes) -> dict[str, Content]:
    """Inverse of :func:`encode_manifest`; raises ManifestUnreadable. Its names are confined."""
    if len(text) > MANIFEST_MAX:
        raise ManifestUnreadable(f"not a manifest: it has more than {MANIFEST_MAX} bytes")
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles)
        _require_version(value["version"])
        return {_name(name): _content(item) for name, item in value["files"].items()}
    except ManifestUnreadable:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ManifestUnreadable(f"not a manifest: {one_line(f'{type(error).__name__} {error}')}") from error


def _require_version(version: object) -> None:
    if version != _VERSION:
        shown = one_line(repr(version), 50)
        raise ManifestUnreadable(f"the manifest has version {shown}, this program knows {_VERSION}")


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ManifestUnreadable("not a manifest: it says something twice")
    return found


def _name(name: str) -> str:
    if len(name) > _LONGEST:
        raise ManifestUnreadable(f"the manifest has a file name of {len(name)} characters")
    try:
        return confined_path(name)
    except NameRefused as error:
        raise ManifestUnreadable(f"the manifest has an invalid file name: {error}") from error


def _content(item: Mapping[str, object]) -> Content:
    size, sha256 = item["size"], item["sha256"]
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**63:
        raise ManifestUnreadable("a file in the manifest has no size")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ManifestUnreadable("a file in the manifest has no SHA-256")
    return Content(size, sha256)
