"""Which buckets are meant: the network volume's, and the one for large files, from the settings."""

import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import aiohttp

from engine.files.large_files import LargeFiles
from engine.settings import Settings
from storage.objects import ObjectStore, S3Location
from wire.s3 import region_of

if TYPE_CHECKING:
    from storage.s3 import Bucket

_TRIES = 4
"""of one request; then the job's own patience goes on, which tells the person"""


class NotSet(ValueError):
    """Variables are missing; the text names them."""


def volume(settings: Settings, volume_id: str) -> S3Location:
    """The S3 API of a network volume; raises NotSet."""
    wanted = {
        "RUNPOD_S3_ACCESS_KEY": settings.runpod_s3_access_key,
        "RUNPOD_S3_SECRET_KEY": settings.runpod_s3_secret_key,
        "RUNPOD_DATACENTER": settings.volume_s3_url,
    }
    _require(wanted)
    key, secret, url = settings.runpod_s3_access_key, settings.runpod_s3_secret_key, settings.volume_s3_url
    assert key and secret and url  # noqa: S101  just required
    return S3Location(url, volume_id, settings.runpod_datacenter or region_of(url), key, secret)


def bucket(settings: Settings) -> S3Location:
    """The bucket for large files; raises NotSet."""
    url, name = settings.bucket_endpoint_url, settings.bucket_name
    key, secret = settings.bucket_access_key_id, settings.bucket_secret_access_key
    _require(
        {
            "BUCKET_ENDPOINT_URL": url,
            "BUCKET_NAME": name,
            "BUCKET_ACCESS_KEY_ID": key,
            "BUCKET_SECRET_ACCESS_KEY": secret,
        }
    )
    assert url and name and key and secret  # noqa: S101  just required
    return S3Location(url, name, region_of(url), key, secret)


def _require(wanted: Mapping[str, object]) -> None:
    if missing := [name for name, value in wanted.items() if value is None]:
        raise NotSet(f"not set: {', '.join(missing)}")


def large_files(settings: Settings, session: aiohttp.ClientSession) -> LargeFiles:
    """With those of the two that the settings describe."""
    volume_place, bucket_place = None, None
    with contextlib.suppress(NotSet):
        bucket_place = bucket(settings)
    if settings.runpod_volume_id is not None:
        with contextlib.suppress(NotSet):
            volume_place = volume(settings, settings.runpod_volume_id)
    return LargeFiles(session, bucket=_objects(bucket_place), volume=_objects(volume_place))


def volume_bucket(settings: Settings) -> "tuple[Bucket | None, str]":
    """The network volume's objects; without them, which settings are missing."""
    if settings.runpod_volume_id is None:
        return None, "not set: RUNPOD_VOLUME_ID"
    try:
        place = volume(settings, settings.runpod_volume_id)
    except NotSet as error:
        return None, str(error)
    from storage.s3 import Bucket  # noqa: PLC0415  boto3 takes a second to import, and 30 MB

    return Bucket(place, tries=_TRIES), ""


def _objects(place: S3Location | None) -> ObjectStore | None:
    if place is None:
        return None
    from storage.s3 import Bucket  # noqa: PLC0415  boto3 takes a second to import, and 30 MB

    return Bucket(place, tries=_TRIES)
