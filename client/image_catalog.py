"""Hands what an image has to the proxy, which shows it on the page until the endpoint's first job tells more."""

from pathlib import Path

from engine.errors import CannotStart
from engine.home import private_home
from engine.settings import PROJECT
from storage.atomic import atomic
from storage.private import private_file, private_folder
from wire.limits import CATALOG_PACKED_MAX
from wire.names import NameRefused, confined

_HEAD_MAX = 100
KEPT = PROJECT / "docker" / "catalogs"
"""where scripts/build.sh leaves it"""


def kept_file(image: str, kept: Path = KEPT) -> Path:
    """By the image's name without its digest, as in scripts/image.sh ``catalog_file``."""
    image = image.partition("@")[0]
    return kept / f"{image.replace('/', '+').replace(':', '=')}.catalog"


def hand_over(image: str, endpoint_id: str, home: Path, kept: Path = KEPT) -> str:
    """A sentence about what was done. Of an image that was not built here nothing is known, and nothing stays."""
    source, folder = kept_file(image, kept), home / "catalogs"
    try:
        target = folder / confined("", f"{endpoint_id}.image")
        private_home(home)
        private_folder(folder)
        if not source.is_file():
            target.unlink(missing_ok=True)
            return f"What {image} has is known after its first job: it was not built here."
        with source.open("rb") as file, atomic(target) as part:
            private_file(part).write_bytes(file.read(CATALOG_PACKED_MAX + _HEAD_MAX))
    except (OSError, CannotStart, NameRefused) as error:
        return f"What {image} has is known after its first job: {error}"
    return f"The page shows what {image} has as soon as RUNPOD_ENDPOINT_ID is set."
