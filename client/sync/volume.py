"""The models on a network volume, over its S3 API."""

import hashlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

from client.sync.layout import MANIFEST_ON_VOLUME
from client.sync.manifest import MANIFEST_MAX, Content, Manifest, decode_manifest, encode_manifest
from storage.objects import ObjectMissing
from storage.s3 import Bucket
from wire.model_kinds import MODELS_ON_VOLUME


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file on the volume: what the manifest says of it (None: another program put it there), and its size there."""

    name: str
    content: Content | None
    size: int | None


def key_of(name: str) -> str:
    """Where a model is in the bucket."""
    return f"{MODELS_ON_VOLUME}/{name}"


class ModelVolume:
    """Raises StorageRefused and Unavailable from every method, ManifestUnreadable when it holds none of ours."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self._lock = threading.Lock()

    def manifest(self) -> dict[str, Content]:
        """Empty on a new volume."""
        try:
            pieces, text = self.bucket.read(MANIFEST_ON_VOLUME), b""
            while len(text) <= MANIFEST_MAX and (piece := next(pieces, b"")):
                text += piece
            return decode_manifest(text)
        except ObjectMissing:
            return {}

    def note(self, name: str, content: Content | None) -> None:
        """Put *name* into the manifest, or take it out; what another machine has put there meanwhile stays."""
        with self._lock:
            manifest = self.manifest()
            if content is None:
                manifest.pop(name, None)
            else:
                manifest[name] = content
            self.bucket.put(MANIFEST_ON_VOLUME, encode_manifest(manifest))

    def sizes(self, names: Iterable[str], executor: Executor) -> dict[str, int | None]:
        """Asked one by one: RunPod's listings read every file for its MD5."""
        wanted = list(names)
        return dict(zip(wanted, executor.map(lambda name: self.bucket.size(key_of(name)), wanted), strict=True))

    def listed(self) -> list[VolumeFile]:
        """All files below the models folder."""
        manifest, prefix = self.manifest(), f"{MODELS_ON_VOLUME}/"
        there = {key.removeprefix(prefix): size for key, size in self.bucket.sizes(prefix).items()}
        return [VolumeFile(name, manifest.get(name), there.get(name)) for name in sorted({*manifest, *there})]

    def delete(self, name: str) -> None:
        self.bucket.delete(key_of(name))

    def fault(self, name: str, content: Content, advance: Callable[[int], None]) -> str | None:
        """What is wrong with a file on the volume, which is read whole; None when nothing is."""
        size = self.bucket.size(key_of(name))
        if size is None:
            return "is not there"
        if size != content.size:
            return f"has {size} bytes instead of {content.size}"
        digest = hashlib.sha256()
        for piece in self.bucket.read(key_of(name)):
            digest.update(piece)
            advance(len(piece))
        return None if digest.hexdigest() == content.sha256 else "is damaged: its SHA-256 is different"


def total(manifest: Manifest) -> int:
    """Bytes."""
    return sum(content.size for content in manifest.values())
