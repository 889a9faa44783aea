"""Uploads under way, on disk: after a kill they go on where they were."""

import contextlib
import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path

from client.sync.manifest import Content
from storage.atomic import atomic
from storage.private import private_file, private_folder


@dataclass(slots=True)
class UploadEntry:
    """An upload of a file with this content, in parts of *part_size*; *tags* names the parts that were stored."""

    upload: str
    size: int
    sha256: str
    part_size: int
    tags: dict[int, str] = field(default_factory=dict)


class SyncJournal:
    """One file an upload, below *folder*; *storage* tells buckets apart."""

    def __init__(self, folder: Path, storage: str) -> None:
        self._folder = folder
        self._storage = storage
        self._lock = threading.Lock()

    def find(self, key: str) -> UploadEntry | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            value = json.loads(self._path(key).read_text(encoding="utf-8"))
            tags = {int(number): str(tag) for number, tag in value["tags"].items()}
            return UploadEntry(value["upload"], value["size"], value["sha256"], value["part_size"], tags)
        return None

    def begin(self, key: str, upload: str, content: Content, part_size: int) -> UploadEntry:
        entry = UploadEntry(upload, content.size, content.sha256, part_size)
        self._write(key, entry)
        return entry

    def stored(self, key: str, entry: UploadEntry, number: int, tag: str) -> None:
        """A part has arrived."""
        with self._lock:
            entry.tags[number] = tag
            self._write(key, entry)

    def forget(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    # -- files that may be there already, but not yet in the volume's manifest

    def claim(self, key: str, content: Content) -> None:
        """The file is about to be sent: what is found under *key* from now on is ours."""
        private_folder(self._folder)
        path = self._claim_path(key)
        with atomic(path, part=path.with_suffix(".part")) as part:
            text = json.dumps({"key": key, "size": content.size, "sha256": content.sha256})
            private_file(part).write_text(text, encoding="utf-8")

    def claimed(self, key: str) -> Content | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            value = json.loads(self._claim_path(key).read_text(encoding="utf-8"))
            return Content(int(value["size"]), str(value["sha256"]))
        return None

    def release(self, key: str) -> None:
        """The file is there and noted."""
        self._claim_path(key).unlink(missing_ok=True)

    def _claim_path(self, key: str) -> Path:
        path = self._path(key)
        return path.with_name(f"{path.stem}.claim.json")

    def _path(self, key: str) -> Path:
        return self._folder / f"{hashlib.sha256(f'{self._storage} {key}'.encode()).hexdigest()}.json"

    def _write(self, key: str, entry: UploadEntry) -> None:
        private_folder(self._folder)
        path = self._path(key)
        body = {"key": key, "upload": entry.upload, "size": entry.size, "sha256": entry.sha256}
        with atomic(path, part=path.with_suffix(".part")) as part:
            text = json.dumps({**body, "part_size": entry.part_size, "tags": entry.tags})
            private_file(part).write_text(text, encoding="utf-8")
