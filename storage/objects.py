"""A bucket of objects: where it is, what it offers, and how it fails. Bucket in s3.py implements it with boto3."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr


class StorageRefused(Exception):
    """The keys, the name or the clock of this machine are at fault: it will fail again."""


class ObjectMissing(Exception):
    """There is no such object, or no such upload."""


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and the keys to it; *url* is empty for Amazon's own S3."""

    url: str
    name: str
    region: str
    access_key: SecretStr
    secret_key: SecretStr


class ObjectStore(Protocol):
    """The objects of one bucket. Methods block; they raise StorageRefused, Unavailable, ObjectMissing."""

    @property
    def place(self) -> S3Location: ...
    def size(self, key: str) -> int | None: ...
    def read(self, key: str, start: int = 0) -> Iterator[bytes]: ...
    def put(self, key: str, content: bytes) -> None: ...
    def put_file(self, key: str, path: Path) -> None: ...
    def address(self, key: str) -> str: ...
    def delete(self, key: str) -> None: ...
