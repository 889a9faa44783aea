"""The manifest: size and SHA-256 of each model on the volume, or in an archive."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from wire.names import NameRefused, confined_path

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
    try:
        value = json.loads(text)
        if value["version"] != _VERSION:
            raise ManifestUnreadable(f"the manifest has version {value['version']!r}, this program knows {_VERSION}")
        return {confined_path(name): _content(item) for name, item in value["files"].items()}
    except NameRefused as error:
        raise ManifestUnreadable(f"the manifest has an invalid file name: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ManifestUnreadable):
            raise
        raise ManifestUnreadable(f"not a manifest: {type(error).__name__} {error}") from error


def _content(item: Mapping[str, object]) -> Content:
    size, sha256 = item["size"], item["sha256"]
    if not isinstance(size, int) or size < 0 or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ManifestUnreadable("a file in the manifest has no size or no SHA-256")
    return Content(size, sha256)
