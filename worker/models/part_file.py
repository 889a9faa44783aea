"""PartFile: a file on its way. Its pieces come in any order, and what is there survives the process."""

import hashlib
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Piece:
    start: int
    end: int


class PartFile:
    """Beside *target* as ``.NAME.part``, with a note of its pieces. What is of another *version* is dropped."""

    def __init__(self, target: Path, version: str, size: int, piece_size: int) -> None:
        self._target, self._version, self._size = target, version, size
        self._path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")
        self._pieces = [Piece(at, min(at + piece_size, size)) for at in range(0, size, piece_size)]
        self._noting = threading.Lock()
        self._done = self._noted()
        with self._path.open("ab"):
            os.truncate(self._path, size)

    def missing(self) -> list[Piece]:
        return [piece for piece in self._pieces if piece.start not in self._done]

    @property
    def received(self) -> int:
        """Bytes that need not be fetched again."""
        return sum(piece.end - piece.start for piece in self._pieces if piece.start in self._done)

    def write(self, at: int, content: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY)
        try:
            while content:
                written = os.pwrite(descriptor, content, at)
                content, at = content[written:], at + written
        finally:
            os.close(descriptor)

    def note(self, piece: Piece) -> None:
        """*piece* is whole; it stays so when the machine goes away."""
        with self._path.open("rb") as file:
            os.fdatasync(file.fileno())
        with self._noting:
            self._done.add(piece.start)
            self._write_note()

    def _write_note(self) -> None:
        note = {"version": self._version, "size": self._size, "pieces": [[p.start, p.end] for p in self._pieces],
                "done": sorted(self._done)}  # fmt: skip
        fresh = self._note.with_name(f"{self._note.name}.new")
        fresh.write_text(json.dumps(note), encoding="utf-8")
        fresh.replace(self._note)

    def sha256(self) -> str:
        with self._path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def finish(self) -> None:
        """From now on the file has its name."""
        self._path.chmod(0o644)
        self._path.replace(self._target)
        self._note.unlink(missing_ok=True)

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _noted(self) -> set[int]:
        """The pieces that an earlier process fetched of the same content; a source without a version is begun anew."""
        pieces = [[piece.start, piece.end] for piece in self._pieces]
        match self._read_note():
            case {"version": self._version, "size": self._size, "pieces": noted, "done": list(done)} if (
                self._version and noted == pieces and self._path.is_file()
            ):
                return set(done)
            case _:
                self.drop()
                return set()

    def _read_note(self) -> Any:
        try:
            return json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
