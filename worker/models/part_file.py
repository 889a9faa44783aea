"""PartFile: a file that is being downloaded. Its pieces come in any order, and survive the process."""

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.atomic import atomic
from storage.digest import sha256_of


@dataclass(frozen=True, slots=True)
class Piece:
    start: int
    end: int


class PartFile:
    """Beside *target* as ``.NAME.part``, with a note of its pieces. Pieces of another *version* are dropped."""

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
        """Notes that *piece* is whole, durably."""
        with self._path.open("rb") as file:
            os.fdatasync(file.fileno())
        with self._noting:
            self._done.add(piece.start)
            self._write_note()

    def _write_note(self) -> None:
        note = {"version": self._version, "size": self._size, "pieces": [[p.start, p.end] for p in self._pieces],
                "done": sorted(self._done)}  # fmt: skip
        with atomic(self._note, part=self._note.with_name(f"{self._note.name}.new")) as fresh:
            fresh.write_text(json.dumps(note), encoding="utf-8")

    def sha256(self) -> str:
        return sha256_of(self._path)

    def finish(self) -> None:
        """Gives the file its name."""
        self._path.chmod(0o644)
        self._path.replace(self._target)
        self._note.unlink(missing_ok=True)

    def drop(self) -> None:
        self._path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _noted(self) -> set[int]:
        """The pieces of the same content that an earlier process downloaded; none when the source has no version."""
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
