"""Depot: where large outputs are left until whoever sent the job fetched them: the network volume, or the bucket."""

import logging
import shutil
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path

from wire.files import OUTPUTS_FOLDER, Url, Volume, output_key
from worker.folders import UnsafeName, confined
from worker.settings import Credentials

logger = logging.getLogger(__name__)

Leave = Callable[[Path, str], Url | Volume | None]
"""takes a file and its SHA-256; None when it has to go through the stream. Blocking"""


class LargeOutputs:
    """*volume* is None without one, *bucket* the name of the bucket, None without one.

    What nobody fetched from the volume goes after *max_age_s*; of a bucket its own rules take care.
    """

    def __init__(
        self, volume: Path | None, credentials: Credentials | None, bucket: str | None, max_age_s: float
    ) -> None:
        self._volume, self._credentials, self._bucket, self._max_age_s = volume, credentials, bucket, max_age_s

    def leaver(self, prompt_id: str, fetches: Collection[str]) -> Leave | None:
        """For one job; *fetches* are the kinds of source that its sender can fetch from.

        The volume comes first: it costs no time of the GPU to send a file there.
        """
        if self._volume is not None and "volume" in fetches:
            return partial(self._leave_on_volume, self._volume, prompt_id)
        if self._bucket is not None and "url" in fetches:
            return partial(self._leave_in_bucket, self._bucket, prompt_id)
        return None

    def _leave_on_volume(self, volume: Path, prompt_id: str, path: Path, sha256: str) -> Volume | None:
        self._forget_old(volume / OUTPUTS_FOLDER)
        try:
            target = confined(volume, f"{OUTPUTS_FOLDER}/{prompt_id}", sha256)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_whole(path, target)
        except (UnsafeName, OSError) as error:
            logger.warning("%s: %s goes through the stream: %s", prompt_id, path.name, error)
            return None
        return Volume(path=output_key(prompt_id, sha256))

    def _leave_in_bucket(self, bucket: str, prompt_id: str, path: Path, sha256: str) -> Url | None:
        from worker.storage import Storage, StorageError  # noqa: PLC0415  boto3 takes a second to import

        key, storage = output_key(prompt_id, sha256), Storage(self._credentials)
        try:
            storage.write(bucket, key, path)
            return Url(url=storage.address(bucket, key))
        except StorageError as error:
            logger.warning("%s: %s goes through the stream: %s", prompt_id, path.name, error)
            return None

    def _forget_old(self, folder: Path) -> None:
        for path in folder.glob("*/*"):
            with suppress(OSError):  # another worker, or the proxy, was faster
                if time.time() - path.stat().st_mtime > self._max_age_s:
                    path.unlink()
                    path.parent.rmdir()


def _copy_whole(source: Path, target: Path) -> None:
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        shutil.copyfile(source, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
