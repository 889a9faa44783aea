"""SHA-256 of large files, remembered: a file is read again only when its size or its time has changed."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

from client.sync.manifest import Content
from client.sync.models import Model
from storage.digest import sha256_of
from storage.private import private_file, private_folder


class Digests:
    """Lines of JSON in *path*, appended one by one, so that a kill loses at most the last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known = _read(path)

    def content(self, model: Model, advance: Callable[[int], None] = lambda _: None) -> Content:
        """Size and digest; *advance* is told how many bytes were read."""
        key = _key(model)
        if key not in self._known:
            self._remember(key, sha256_of(model.path, advance))
        return Content(model.size, self._known[key])

    def _remember(self, key: str, sha256: str) -> None:
        with self._lock:
            self._known[key] = sha256
            private_folder(self._path.parent)
            with private_file(self._path).open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, sha256]) + "\n")


def _key(model: Model) -> str:
    return f"{model.size} {model.modified_ns} {model.path.resolve()}"


def _read(path: Path) -> dict[str, str]:
    known: dict[str, str] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                key, sha256 = json.loads(line)
            except ValueError:
                continue  # the process was killed while it wrote this line
            known[key] = sha256
    return known
