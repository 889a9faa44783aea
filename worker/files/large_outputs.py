"""LargeOutputs: puts large outputs where whoever sent the job fetches them: the network volume, or the bucket."""

import logging
import shutil
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

from storage.atomic import atomic
from storage.objects import ObjectMissing, S3Location, StorageRefused
from wire.errors import Unavailable
from wire.files import OUTPUTS_FOLDER, Url, Volume, output_key
from wire.names import NameRefused
from worker.folders import confined

logger = logging.getLogger(__name__)

_TRIES = 5

Store = Callable[[Path, str], Url | Volume | None]
"""stores a file with this SHA-256; None when it has to go through the stream. Blocking"""


class LargeOutputs:
    """*volume* and *bucket* are None without one.

    Files on the volume that were not fetched go after *max_age_s*; a bucket has rules of its own for that.
    """

    def __init__(self, volume: Path | None, bucket: S3Location | None, max_age_s: float) -> None:
        self._volume, self._bucket, self._max_age_s = volume, bucket, max_age_s

    def store_for(self, prompt_id: str, fetches: Collection[str]) -> Store | None:
        """How to store the outputs of one job; *fetches* are the kinds of source that its sender can fetch from.

        The volume comes first: a copy is faster than an upload, and the GPU is paid for meanwhile.
        """
        if self._volume is not None and "volume" in fetches:
            return partial(self._copy_to_volume, self._volume, prompt_id)
        if self._bucket is not None and "url" in fetches:
            return partial(self._upload, self._bucket, prompt_id)
        return None

    def _copy_to_volume(self, volume: Path, prompt_id: str, path: Path, sha256: str) -> Volume | None:
        self._remove_old(volume / OUTPUTS_FOLDER)
        try:
            target = confined(volume, f"{OUTPUTS_FOLDER}/{prompt_id}", sha256)
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic(target, durable=True) as part:
                shutil.copyfile(path, part)
        except (NameRefused, OSError) as error:
            logger.warning("%s: %s goes through the stream: %s", prompt_id, path.name, error)
            return None
        return Volume(path=output_key(prompt_id, sha256))

    def _upload(self, place: S3Location, prompt_id: str, path: Path, sha256: str) -> Url | None:
        from storage.s3 import Bucket  # noqa: PLC0415  boto3 takes a second to import

        key, bucket = output_key(prompt_id, sha256), Bucket(place, tries=_TRIES)
        try:
            bucket.put_file(key, path)
            return Url(url=bucket.address(key))
        except (ObjectMissing, StorageRefused, Unavailable) as error:
            logger.warning("%s: %s goes through the stream: %s", prompt_id, path.name, error)
            return None

    def _remove_old(self, folder: Path) -> None:
        for path in folder.glob("*/*"):
            with suppress(OSError):  # another worker, or the proxy, was faster
                if time.time() - path.stat().st_mtime > self._max_age_s:
                    path.unlink()
                    path.parent.rmdir()
        for path in folder.glob("*"):
            with suppress(OSError):  # it still holds something; else all of it was fetched, or nothing could be stored
                if time.time() - path.stat().st_mtime > self._max_age_s:
                    path.rmdir()
