"""S3: the only import of boto3, which takes a second and 30 MB; so this module is imported where it is needed.

But for signed addresses it uses nothing that the S3 API of RunPod's network volumes lacks. That API has no
DeleteObjects and no presigned URLs, wants a long patience for CompleteMultipartUpload, and its listings are slow and
may repeat a token for ever. Source: RunPod docs, storage/s3-api.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from io import RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage.objects import ObjectMissing, S3Location, StorageRefused
from wire.errors import Unavailable
from wire.s3 import ADDRESS_VALID_S, PART_BYTES

Body = bytes | BinaryIO | RawIOBase

_MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_REFUSED = frozenset({"400", "401", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_PIECE = 1024 * 1024
_QUICK_S, _PATIENT_S = 60, 7200
_TRANSFER = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Maps boto's errors: whose fault, and about what."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = str(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        if _MISSING & {code, status}:
            raise ObjectMissing(what) from error
        if _REFUSED & {code, status} or code == "RequestTimeTooSkewed":
            raise StorageRefused(f"{what}: the storage refuses it ({code or status})") from error
        raise Unavailable(f"{what}: the storage answers {status} {code}".rstrip()) from error
    except (BotoCoreError, Boto3Error, OSError) as error:
        raise Unavailable(f"{what}: {error}") from error


class ListingRepeats(Unavailable):
    """The storage answers with the same page again and again, so the rest of the listing is not known."""


class Bucket:
    """The objects of one bucket; its methods block, and may be called from several threads."""

    def __init__(self, place: S3Location, *, tries: int = 10) -> None:
        """*tries* are those of one request, with growing pauses in between."""
        self.place = place
        self._tries = tries
        self._name = place.name

    @cached_property
    def _quick(self) -> Any:
        return _client(self.place, _QUICK_S, self._tries)

    @cached_property
    def _patient(self) -> Any:
        return _client(self.place, _PATIENT_S, self._tries)

    def require(self) -> None:
        """Raises when the bucket cannot be used."""
        try:
            with _told(f"bucket {self._name}"):
                self._quick.head_bucket(Bucket=self._name)
        except ObjectMissing as error:
            raise StorageRefused(f"bucket {self._name}: it does not exist") from error

    def size(self, key: str) -> int | None:
        """Bytes of an object; None when it is not there."""
        try:
            return self.facts(key)[0]
        except ObjectMissing:
            return None

    def facts(self, key: str) -> tuple[int, str]:
        """Size and ETag of an object: the ETag changes with its content. Raises ObjectMissing."""
        with _told(key):
            answer = self._quick.head_object(Bucket=self._name, Key=key)
            return int(answer["ContentLength"]), str(answer["ETag"])

    def read(self, key: str, start: int = 0, end: int | None = None, *, etag: str | None = None) -> Iterator[bytes]:
        """An object in pieces, from byte *start* up to *end*; both must be in it. Raises ObjectMissing.

        With *etag* it fails when the object has been written since.
        """
        with _told(key):
            wanted = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
            same = {} if etag is None else {"IfMatch": etag}
            body = self._quick.get_object(Bucket=self._name, Key=key, **wanted, **same)["Body"]
        with contextlib.closing(body):
            while True:
                with _told(key):
                    piece: bytes = body.read(_PIECE)
                if not piece:
                    return
                yield piece

    def put(self, key: str, content: Body) -> None:
        with _told(key):
            self._quick.put_object(
                Bucket=self._name, Key=key, Body=content, ContentType="application/octet-stream"
            )  # fmt: skip

    def put_file(self, key: str, path: Path, advance: Callable[[int], None] | None = None) -> None:
        """The file as an object, in parts when it is large; it is there, and whole, when this returns. *advance* is
        told of the bytes as they go, in several threads; what it raises ends the upload.
        """
        with _told(key):
            self._patient.upload_file(str(path), self._name, key, Config=_TRANSFER, Callback=advance)
        # the volume's API was seen to report a success that was none: runpodctl#282
        if self.size(key) != path.stat().st_size:
            raise Unavailable(f"{key}: the storage says that it took the file, but has not all of it")

    def address(self, key: str) -> str:
        """A signed address from which anybody can read the object for a day: a secret."""
        return str(
            self._quick.generate_presigned_url(
                "get_object", Params={"Bucket": self._name, "Key": key}, ExpiresIn=ADDRESS_VALID_S
            )
        )

    def delete(self, key: str) -> None:
        """One object; deleting a missing object is not an error."""
        with contextlib.suppress(ObjectMissing), _told(key):
            self._quick.delete_object(Bucket=self._name, Key=key)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Every object below *prefix* and its size; ends also when the storage repeats itself."""
        found: dict[str, int] = {}
        with contextlib.suppress(ListingRepeats):
            for page in self.pages(prefix):
                found |= page
        return found

    def pages(self, prefix: str) -> Iterator[dict[str, int]]:
        """The same, page by page, so that a long listing can be given up. Raises ListingRepeats."""
        token: str | None = None
        while True:
            more = {} if token is None else {"ContinuationToken": token}
            with _told(f"listing {prefix}"):
                page: dict[str, Any] = self._patient.list_objects_v2(Bucket=self._name, Prefix=prefix, **more)
            yield {item["Key"]: int(item["Size"]) for item in page.get("Contents", ()) if not item["Key"].endswith("/")}
            following = page.get("NextContinuationToken") if page.get("IsTruncated") else None
            if following is None:
                return
            if following == token:
                raise ListingRepeats(f"listing {prefix}: the storage repeats itself")
            token = following

    # -- an object in parts

    def begin(self, key: str) -> str:
        """The id of a new upload."""
        with _told(key):
            answer = self._quick.create_multipart_upload(
                Bucket=self._name, Key=key, ContentType="application/octet-stream"
            )
        return str(answer["UploadId"])

    def put_part(self, key: str, upload: str, number: int, content: Body) -> str:
        """Store part *number* (from 1); the tag with which :meth:`complete` names it."""
        with _told(f"{key}, part {number}"):
            answer = self._quick.upload_part(
                Bucket=self._name, Key=key, UploadId=upload, PartNumber=number, Body=content
            )
        return str(answer["ETag"])

    def parts(self, key: str, upload: str) -> dict[int, tuple[str, int]]:
        """Tag and size of each part that is there; raises ObjectMissing when the upload is over or unknown."""
        found: dict[int, tuple[str, int]] = {}
        marker = 0
        while True:
            with _told(key):
                page = self._quick.list_parts(Bucket=self._name, Key=key, UploadId=upload, PartNumberMarker=marker)
            found |= {int(part["PartNumber"]): (part["ETag"], int(part["Size"])) for part in page.get("Parts", ())}
            following = int(page.get("NextPartNumberMarker") or 0)
            if not page.get("IsTruncated") or following <= marker:
                return found
            marker = following

    def complete(self, key: str, upload: str, tags: dict[int, str]) -> None:
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in sorted(tags.items())]
        with _told(key):
            self._patient.complete_multipart_upload(
                Bucket=self._name, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
            )

    def abort(self, key: str, upload: str) -> None:
        """Forget an upload and its parts, which cost space."""
        with contextlib.suppress(ObjectMissing), _told(key):
            self._quick.abort_multipart_upload(Bucket=self._name, Key=key, UploadId=upload)


def _client(place: S3Location, read_timeout_s: int, tries: int) -> Any:
    config = Config(
        retries={"max_attempts": tries, "mode": "standard"},
        connect_timeout=10,
        signature_version="s3v4",
        read_timeout=read_timeout_s,
        max_pool_connections=32,
        s3={"addressing_style": "path" if place.url else "auto"},
        # the newer checksums are not among what the volume's API is documented to know
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=place.url or None,
        region_name=place.region,
        aws_access_key_id=place.access_key.get_secret_value(),
        aws_secret_access_key=place.secret_key.get_secret_value(),
        config=config,
    )
