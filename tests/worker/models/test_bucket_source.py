"""Models from S3: a real S3 server, with real signatures."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from storage.objects import S3Location
from storage.s3 import Bucket
from wire.models import ModelRef
from worker.models.downloads import Downloads, ModelUnavailable
from worker.models.sources import ModelSources

CONTENT = bytes(range(256)) * 8000
KEY = "deep/style.safetensors"


@pytest.fixture
def models(volume: S3Location) -> S3Location:
    """The keys to a bucket with one model."""
    Bucket(volume, tries=2).put(KEY, CONTENT)
    return volume


async def fetch(root: Path, place: S3Location | None, model: ModelRef) -> None:
    sources = ModelSources(place, {}, allow_private=False)
    await Downloads(root, sources, piece_size=300_000, retry_s=0.001).ensure([model], silent)


async def silent(_: str) -> None:
    return


async def test_a_model_comes_from_a_bucket_in_pieces(models: S3Location, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    model = ModelRef(source=f"s3://{models.name}/{KEY}", folder="loras", sha256=sha256, size=len(CONTENT))
    await fetch(tmp_path, replace(models, name=""), model)  # the keys are for all buckets

    assert (tmp_path / "loras" / "style.safetensors").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("secret", "key", "reason"),
    [("wrong-secret", KEY, "refuses"), (None, "nothing.bin", "the object does not exist")],
)
async def test_what_the_bucket_refuses_is_said_without_the_secret(
    models: S3Location, tmp_path: Path, secret: str | None, key: str, reason: str
) -> None:
    place = models if secret is None else replace(models, secret_key=SecretStr(secret))
    with pytest.raises(ModelUnavailable, match=f"s3://{models.name}/{key}.*{reason}") as caught:
        await fetch(tmp_path, place, ModelRef(source=f"s3://{models.name}/{key}", folder="loras"))

    assert place.secret_key.get_secret_value() not in str(caught.value)


async def test_without_keys_the_variables_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"s3://b/x\.bin.*BUCKET_ACCESS_KEY_ID"):
        await fetch(tmp_path, None, ModelRef(source="s3://b/x.bin", folder="loras"))
