"""Which bucket is meant: the network volume's, or the one for large files, from the settings."""

from collections.abc import Mapping

from client.bucket import Place
from proxy.settings import Settings


class NotSet(ValueError):
    """Variables are missing; the text names them."""


def volume(settings: Settings, volume_id: str) -> Place:
    """The S3 API of a network volume; raises NotSet."""
    wanted = {
        "RUNPOD_S3_ACCESS_KEY": settings.runpod_s3_access_key,
        "RUNPOD_S3_SECRET_KEY": settings.runpod_s3_secret_key,
        "RUNPOD_DATACENTER": settings.volume_s3_url,
    }
    _require(wanted)
    key, secret, url = settings.runpod_s3_access_key, settings.runpod_s3_secret_key, settings.volume_s3_url
    assert key and secret and url  # noqa: S101  just required
    return Place(url, volume_id, settings.runpod_datacenter or "us-east-1", key, secret)


def bucket(settings: Settings) -> Place:
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
    return Place(url, name, "auto", key, secret)


def _require(wanted: Mapping[str, object]) -> None:
    if missing := [name for name, value in wanted.items() if value is None]:
        raise NotSet(f"not set: {', '.join(missing)}")
