"""One file into a bucket: a real server, and one with the quirks of RunPod's volumes."""

import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from client.sync.journal import SyncJournal
from client.sync.manifest import Content
from client.sync.models import Hashed, find_models
from client.sync.parts import MIB
from client.sync.upload import Stopped, Uploader, UploadFailed
from storage.objects import S3Location, StorageRefused
from storage.s3 import Bucket
from tests.support.quirky_s3 import quirky

KEY = "comfyui/models/a.safetensors"
PART = 5 * MIB


@dataclass
class Bed:
    place: S3Location
    folder: Path
    advanced: list[int] = field(default_factory=list)
    paused_s: list[float] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def journal(self) -> SyncJournal:
        return SyncJournal(self.folder / "uploads", "storage")

    def model(self, content: bytes) -> Hashed:
        (self.folder / "models").mkdir(exist_ok=True)
        (self.folder / "models" / "a.safetensors").write_bytes(content)
        (model,) = find_models(self.folder / "models", (), (), ()).models
        return Hashed(model, Content(len(content), hashlib.sha256(content).hexdigest()))

    @contextmanager
    def uploader(self, place: S3Location | None = None) -> Iterator[Uploader]:
        with ThreadPoolExecutor(2) as parts:
            yield Uploader(
                Bucket(place or self.place, tries=2),
                self.journal,
                parts,
                PART,
                lambda _, count: self.advanced.append(count),
                self.stop,
                self.paused_s.append,
            )

    def stored(self) -> bytes:
        return b"".join(Bucket(self.place, tries=2).read(KEY))


@pytest.fixture
def bed(volume: S3Location, tmp_path: Path) -> Iterator[Bed]:
    yield Bed(volume, tmp_path)
    Bucket(volume).delete(KEY)


@pytest.mark.parametrize("size", [0, 100, PART, PART + 1, 2 * PART + 7])
def test_a_file_arrives_whole_and_every_byte_is_reported(bed: Bed, size: int) -> None:
    content = os.urandom(size)
    with bed.uploader() as uploader:
        kept = uploader.upload(KEY, bed.model(content))

    assert bed.stored() == content
    assert (kept, sum(bed.advanced)) == (0, size)
    assert bed.journal.find(KEY) is None


def test_an_upload_goes_on_from_the_parts_that_the_storage_has(bed: Bed) -> None:
    content = os.urandom(2 * PART + 7)
    hashed, bucket = bed.model(content), Bucket(bed.place, tries=2)
    entry = bed.journal.begin(KEY, bucket.begin(KEY), hashed.content, PART)
    tag = bucket.put_part(KEY, entry.upload, 1, content[:PART])
    bed.journal.stored(KEY, entry, 1, tag)
    bed.journal.stored(KEY, entry, 2, "a tag that the storage does not have")
    with bed.uploader() as uploader:
        kept = uploader.upload(KEY, hashed)

    assert kept == PART
    assert bed.stored() == content
    assert sum(bed.advanced) == len(content)


def test_parts_of_another_content_are_given_up(bed: Bed) -> None:
    old, new = os.urandom(PART + 1), os.urandom(PART + 1)
    bucket = Bucket(bed.place, tries=2)
    entry = bed.journal.begin(KEY, bucket.begin(KEY), bed.model(old).content, PART)
    bed.journal.stored(KEY, entry, 1, bucket.put_part(KEY, entry.upload, 1, old[:PART]))
    with bed.uploader() as uploader:
        kept = uploader.upload(KEY, bed.model(new))

    assert kept == 0
    assert bed.stored() == new


def test_a_file_that_changes_meanwhile_is_not_left_half_new(bed: Bed) -> None:
    hashed = bed.model(b"before")
    hashed.model.path.write_bytes(b"after it was hashed")
    with bed.uploader() as uploader, pytest.raises(UploadFailed, match="changed while it was read"):
        uploader.upload(KEY, hashed)

    assert Bucket(bed.place, tries=2).size(KEY) is None


def test_a_file_that_is_gone_is_named(bed: Bed) -> None:
    hashed = bed.model(b"x")
    hashed.model.path.unlink()
    with bed.uploader() as uploader, pytest.raises(UploadFailed, match=r"a\.safetensors: cannot be read"):
        uploader.upload(KEY, hashed)


def test_a_success_without_the_file_is_looked_into_with_growing_pauses(bed: Bed) -> None:
    with quirky(bed.place) as (place, quirks):
        quirks.hide = "a.safetensors"
        with bed.uploader(place) as uploader, pytest.raises(UploadFailed, match=r"reported success.*is not there"):
            uploader.upload(KEY, bed.model(b"x"))

    assert bed.paused_s == [1.0, 2.0, 4.0]


def test_a_server_that_fails_once_is_asked_again(bed: Bed) -> None:
    with quirky(bed.place) as (place, quirks):
        quirks.fail = 1
        with bed.uploader(place) as uploader:
            uploader.upload(KEY, bed.model(b"x" * 1000))

    assert bed.stored() == b"x" * 1000
    assert sum(bed.advanced) == 1000  # what was sent in vain is taken back


def test_a_wrong_key_concerns_all_files(bed: Bed) -> None:
    wrong = replace(bed.place, secret_key=SecretStr("rps_wrong"))
    with bed.uploader(wrong) as uploader, pytest.raises(StorageRefused):
        uploader.upload(KEY, bed.model(b"x"))


def test_who_stops_it_can_go_on_later(bed: Bed) -> None:
    content = os.urandom(PART + 1)
    bed.stop.set()
    with bed.uploader() as uploader, pytest.raises(Stopped):
        uploader.upload(KEY, bed.model(content))
    left = bed.journal.find(KEY)
    bed.stop.clear()
    with bed.uploader() as uploader:
        uploader.upload(KEY, bed.model(content))

    assert left is not None
    assert bed.stored() == content
