"""Storage: S3. The only import of boto3."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3.session
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from wire.s3 import ADDRESS_VALID_S, PART_BYTES, region_of
from worker.settings import Credentials

_CHUNK = 1024 * 1024
_CONFIG = Config(
    retries={"max_attempts": 5, "mode": "standard"},
    connect_timeout=10,
    read_timeout=60,
    signature_version="s3v4",
    # the newer checksums are not among what S3 servers other than Amazon's are known to know
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
_TRANSFER = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)


class StorageError(Exception):
    """The bucket did not give what was asked for."""


class Storage:
    """Blocking; call it in threads."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials
        self._made: Any = None

    def head(self, bucket: str, key: str) -> tuple[int, str]:
        """Size and ETag; raises StorageError."""
        try:
            answer = self._client().head_object(S3Source=bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise StorageError(f"s3://{bucket}/{key}: {error}") from error
        return int(answer["ContentLength"]), str(answer["ETag"])

    def read(self, bucket: str, key: str, start: int, end: int, etag: str) -> Iterator[bytes]:
        """The bytes from *start* up to *end*, of the object that has *etag*; raises StorageError."""
        try:
            wanted = {"Range": f"bytes={start}-{end - 1}", "IfMatch": etag}
            answer = self._client().get_object(S3Source=bucket, Key=key, **wanted)
            yield from answer["Body"].iter_chunks(_CHUNK)
        except (BotoCoreError, ClientError) as error:
            raise StorageError(f"s3://{bucket}/{key}: {error}") from error

    def write(self, bucket: str, key: str, path: Path) -> None:
        """The file as an object, in parts when it is large; raises StorageError."""
        try:
            self._client().upload_file(str(path), bucket, key, Config=_TRANSFER)
        except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
            raise StorageError(f"s3://{bucket}/{key}: {error}") from error

    def address(self, bucket: str, key: str) -> str:
        """A signed address from which anybody can read the object for a day: a secret."""
        return str(
            self._client().generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=ADDRESS_VALID_S
            )
        )

    def _client(self) -> Any:
        if self._credentials is None:
            raise StorageError(
                "there is no S3 to read from: set BUCKET_ENDPOINT_URL, BUCKET_ACCESS_KEY_ID, BUCKET_SECRET_ACCESS_KEY"
            )
        if self._made is None:
            self._made = boto3.session.Session().client(
                "s3",
                endpoint_url=self._credentials.endpoint_url,
                region_name=region_of(self._credentials.endpoint_url or ""),
                aws_access_key_id=self._credentials.access_key_id,
                aws_secret_access_key=self._credentials.secret_access_key,
                config=_CONFIG,
            )
        return self._made
