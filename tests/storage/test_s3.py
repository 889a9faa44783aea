"""The S3 door on a real server."""

import io
from dataclasses import replace

import pytest
from pydantic import SecretStr

from storage.objects import ObjectMissing, S3Location, StorageRefused
from storage.s3 import Bucket
from wire.errors import Unavailable


@pytest.fixture
def bucket(volume: S3Location) -> Bucket:
    return Bucket(volume, tries=2)


@pytest.mark.parametrize("key", ["a/b.bin", "a/with space.bin", "a/hash#1.bin", "a/ü漢.bin", "a/+&=.bin"])
def test_an_object_comes_back_whatever_its_name(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"content")

    assert b"".join(bucket.read(key)) == b"content"
    assert bucket.size(key) == 7
    assert bucket.sizes("a/")[key] == 7
    bucket.delete(key)
    assert bucket.size(key) is None


def test_what_is_not_there_is_missing(bucket: Bucket) -> None:
    with pytest.raises(ObjectMissing):
        next(bucket.read("nowhere"))
    with pytest.raises(ObjectMissing):
        bucket.parts("nowhere", "0123456789abcdef")
    bucket.delete("nowhere")


def test_parts_are_put_together_in_order_and_can_be_listed_before(bucket: Bucket) -> None:
    upload = bucket.begin("parts.bin")
    second = bucket.put_part("parts.bin", upload, 2, io.BytesIO(b"b" * 10))
    first = bucket.put_part("parts.bin", upload, 1, io.BytesIO(b"a" * 5_242_880))
    listed = bucket.parts("parts.bin", upload)
    bucket.complete("parts.bin", upload, {2: second, 1: first})

    assert {number: size for number, (_, size) in listed.items()} == {1: 5_242_880, 2: 10}
    assert bucket.size("parts.bin") == 5_242_890
    with pytest.raises(ObjectMissing):
        bucket.parts("parts.bin", upload)


def test_an_upload_that_is_given_up_leaves_nothing(bucket: Bucket) -> None:
    upload = bucket.begin("given-up.bin")
    bucket.put_part("given-up.bin", upload, 1, b"x")
    bucket.abort("given-up.bin", upload)
    bucket.abort("given-up.bin", upload)

    assert bucket.size("given-up.bin") is None


def test_a_wrong_key_is_our_fault_and_shown_to_nobody(volume: S3Location) -> None:
    wrong = Bucket(replace(volume, secret_key=SecretStr("rps_wrong")), tries=1)

    with pytest.raises(StorageRefused) as caught:
        wrong.require()
    assert "rps_wrong" not in str(caught.value)


def test_a_storage_that_does_not_answer_is_nobodys_fault(volume: S3Location) -> None:
    with pytest.raises(Unavailable):
        Bucket(replace(volume, url="http://127.0.0.1:9"), tries=1).require()


def test_a_bucket_that_is_not_there_is_said(volume: S3Location) -> None:
    with pytest.raises(StorageRefused, match="does not exist"):
        Bucket(replace(volume, name="another"), tries=1).require()
