"""One file into the bucket: whole and checked, in parts when it is large, and on from where a killed upload was."""

import contextlib
import io
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Self

from client.sync.journal import SyncJournal, UploadEntry
from client.sync.manifest import Content
from client.sync.models import Hashed, is_unchanged
from client.sync.parts import FILE_MAX, Part, cut
from storage.objects import ObjectMissing
from storage.s3 import Bucket
from wire.backoff import next_delay
from wire.errors import Unavailable

_LOOKS, _LOOK_S = 4, 1.0
"""RunPod has been seen to report success before the object was there, or without it (runpodctl#282)"""


class UploadFailed(Exception):
    """This file did not get there; others may. The text is one sentence."""


class Stopped(BaseException):
    """The person wants it to end. No Exception, or boto would take it for a broken connection and try again."""


@dataclass(frozen=True, slots=True)
class Uploader:
    """*advance* is told of every byte; *stop* ends all uploads at their next piece."""

    bucket: Bucket
    journal: SyncJournal
    parts: Executor
    part_size: int
    advance: Callable[[str, int], None]
    stop: threading.Event
    sleep: Callable[[float], None] = time.sleep

    def upload(self, key: str, hashed: Hashed) -> int:
        """Store the file under *key*; how many bytes of it were there already. Raises UploadFailed, StorageRefused."""
        name, size = hashed.model.name, hashed.content.size
        if size > FILE_MAX:
            raise UploadFailed(f"{name}: larger than 4 TB, the most that a volume takes for one file")
        try:
            kept = self._transfer(key, hashed)
            if not is_unchanged(hashed.model):
                self.bucket.delete(key)
                raise UploadFailed(f"{name}: changed while it was read; run the command again")
            self._check(key, size)
        except (Unavailable, ObjectMissing) as error:
            raise UploadFailed(f"{name}: {error}") from error
        except OSError as error:
            raise UploadFailed(f"{name}: cannot be read: {error.strerror or error}") from error
        return kept

    def _transfer(self, key: str, hashed: Hashed) -> int:
        if hashed.content.size > self.part_size:
            return self._in_parts(key, hashed)
        with _UploadPart.of(hashed, Part(1, 0, hashed.content.size), self) as piece:
            self.bucket.put(key, piece)
        return 0

    def _in_parts(self, key: str, hashed: Hashed) -> int:
        entry = self._entry(key, hashed.content)
        wanted = cut(hashed.content.size, entry.part_size)
        missing = [part for part in wanted if part.number not in entry.tags]
        kept = hashed.content.size - sum(part.size for part in missing)
        self.advance(hashed.model.name, kept)
        sent = [self.parts.submit(self._part, key, entry, part, hashed) for part in missing]
        try:
            for future in sent:
                future.result()
        finally:
            for future in sent:
                future.cancel()
        self._complete(key, entry, hashed.content.size)
        return kept

    def _entry(self, key: str, content: Content) -> UploadEntry:
        """The upload to go on with, holding only the parts that the storage confirms, or a new one."""
        known = self.journal.find(key)
        if known is not None:
            with contextlib.suppress(ObjectMissing):
                there = self.bucket.parts(key, known.upload)
                if known.sha256 == content.sha256:
                    sizes = {part.number: part.size for part in cut(content.size, known.part_size)}
                    confirmed = {n: tag for n, tag in known.tags.items() if there.get(n) == (tag, sizes[n])}
                    known.tags = confirmed
                    return known
            self.bucket.abort(key, known.upload)
        return self.journal.begin(key, self.bucket.begin(key), content, self.part_size)

    def _part(self, key: str, entry: UploadEntry, part: Part, hashed: Hashed) -> None:
        with _UploadPart.of(hashed, part, self) as piece:
            tag = self.bucket.put_part(key, entry.upload, part.number, piece)
        self.journal.stored(key, entry, part.number, tag)

    def _complete(self, key: str, entry: UploadEntry, size: int) -> None:
        """A lost answer does not matter when the object is there."""
        try:
            self.bucket.complete(key, entry.upload, entry.tags)
        except (Unavailable, ObjectMissing):
            if self.bucket.size(key) != size:
                raise
        self.journal.forget(key)

    def _check(self, key: str, size: int) -> None:
        for look in range(_LOOKS):
            if look:
                self.sleep(next_delay(look - 1, base_s=_LOOK_S))
            found = self.bucket.size(key)
            if found == size:
                return
        self.journal.forget(key)
        there = "is not there" if found is None else f"has {found} bytes there instead of {size}"
        raise UploadFailed(f"{key}: the storage reported success, but the file {there}; run the command again")


class _UploadPart(io.RawIOBase):
    """A part of a file as a file, which boto reads, and reads again when it tries again."""

    def __init__(self, file: io.BufferedReader, part: Part, advance: Callable[[int], None], stop: threading.Event):
        self._file, self._part, self._advance, self._stop = file, part, advance, stop
        self._at = 0
        self._file.seek(part.offset)

    @classmethod
    def of(cls, hashed: Hashed, part: Part, uploader: Uploader) -> Self:
        name = hashed.model.name
        return cls(hashed.model.path.open("rb"), part, lambda count: uploader.advance(name, count), uploader.stop)

    def read(self, size: int = -1) -> bytes:
        if self._stop.is_set():
            raise Stopped
        left = self._part.size - self._at
        piece = self._file.read(left if size < 0 else min(size, left))
        self._at += len(piece)
        self._advance(len(piece))
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._part.size}[whence]
        self._advance(base + offset - self._at)
        self._at = base + offset
        self._file.seek(self._part.offset + self._at)
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def __len__(self) -> int:
        return self._part.size

    def close(self) -> None:
        self._file.close()
        super().close()
