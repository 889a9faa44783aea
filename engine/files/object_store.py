"""Objects: what a store of large files offers and how it fails. It is implemented by Bucket, which needs boto3."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr


class StorageRefused(Exception):
    """The keys, the name or the clock of this machine are at fault: it will fail again."""


class StorageUnavailable(Exception):
    """Nobody's fault: try again later."""


class ObjectMissing(Exception):
    """There is no such object, or no such upload."""


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket and the keys to it."""

    url: str
    name: str
    region: str
    access_key: SecretStr
    secret_key: SecretStr


class ObjectStore(Protocol):
    """The objects of one bucket. Methods block; they raise StorageRefused, StorageUnavailable, ObjectMissing."""

    @property
    def place(self) -> S3Location: ...
    def size(self, key: str) -> int | None: ...
    def read(self, key: str, start: int = 0) -> Iterator[bytes]: ...
    def put_file(self, key: str, path: Path) -> None: ...
    def address(self, key: str) -> str: ...
    def delete(self, key: str) -> None: ...
