"""The models on a volume, by its S3 API: a real server."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from client.sync.layout import MANIFEST_ON_VOLUME
from client.sync.manifest import Content, ManifestUnreadable
from client.sync.volume import ModelVolume, VolumeFile, key_of, total
from storage.objects import S3Location
from storage.s3 import Bucket


def content(text: bytes) -> Content:
    return Content(len(text), hashlib.sha256(text).hexdigest())


@pytest.fixture
def there(volume: S3Location) -> Iterator[ModelVolume]:
    bucket = Bucket(volume, tries=2)
    yield ModelVolume(bucket)
    for key in bucket.sizes(""):
        bucket.delete(key)


def test_a_new_volume_has_no_models(there: ModelVolume) -> None:
    assert there.manifest() == {}
    assert there.listed() == []


def test_what_is_noted_stays_beside_what_another_machine_has_noted(there: ModelVolume) -> None:
    other = ModelVolume(there.bucket)
    there.note("loras/a", content(b"a"))
    other.note("vae/b", content(b"b"))
    there.note("loras/a", None)
    there.note("loras/never there", None)

    assert there.manifest() == other.manifest() == {"vae/b": content(b"b")}


def test_the_list_tells_what_is_there_and_what_is_only_noted(there: ModelVolume) -> None:
    there.bucket.put(key_of("loras/ours"), b"ours")
    there.bucket.put(key_of("loras/somebody's"), b"other")
    for name in ("loras/ours", "loras/vanished"):
        there.note(name, content(b"ours"))

    assert there.listed() == [
        VolumeFile("loras/ours", content(b"ours"), 4),
        VolumeFile("loras/somebody's", None, 5),
        VolumeFile("loras/vanished", content(b"ours"), None),
    ]


def test_sizes_are_asked_one_by_one(there: ModelVolume) -> None:
    there.bucket.put(key_of("a"), b"123")
    with ThreadPoolExecutor(2) as pool:
        assert there.sizes(iter(["a", "missing"]), pool) == {"a": 3, "missing": None}


@pytest.mark.parametrize(
    ("stored", "fault"),
    [
        (b"right", None),
        (b"wrong", "is damaged: its SHA-256 is different"),
        (b"longer than that", "has 16 bytes instead of 5"),
        (None, "is not there"),
    ],
)
def test_a_file_is_read_whole_to_say_what_is_wrong_with_it(
    there: ModelVolume, stored: bytes | None, fault: str | None
) -> None:
    if stored is not None:
        there.bucket.put(key_of("a"), stored)
    read = list[int]()

    assert there.fault("a", content(b"right"), read.append) == fault
    assert sum(read) == (5 if stored in (b"right", b"wrong") else 0)


def test_a_deleted_file_is_gone(there: ModelVolume) -> None:
    there.bucket.put(key_of("a"), b"x")
    there.delete("a")
    there.delete("a")

    assert there.bucket.size(key_of("a")) is None


def test_a_manifest_of_somebody_else_is_never_overwritten(there: ModelVolume) -> None:
    there.bucket.put(MANIFEST_ON_VOLUME, b"not ours")

    with pytest.raises(ManifestUnreadable):
        there.note("a", content(b"a"))
    assert b"".join(there.bucket.read(MANIFEST_ON_VOLUME)) == b"not ours"


def test_the_total_is_that_of_all_files() -> None:
    assert total({"a": Content(3, ""), "b": Content(4, "")}) == 7
    assert total({}) == 0
