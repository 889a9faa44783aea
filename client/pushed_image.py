"""The image that was pushed from this folder last, as scripts/push.sh has noted it."""

import re
from pathlib import Path

_IMAGE = re.compile(r"[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?")
_RECORD_MAX = 10_000
_HOW = "push one by `make build push REGISTRY=your-docker-hub-name`, or name one by --image"


class NoImage(Exception):
    """There is no image to deploy; the text is one sentence that says what to do."""


def pushed_image(record: Path) -> str:
    """``owner/name:tag@sha256:…`` from *record*, which scripts/push.sh writes. Raises NoImage.

    With its digest, because workers that have an image of a tag keep it when the tag is pushed again. Source: RunPod
    docs, serverless/workers/deploy and serverless/endpoints/rolling-releases.
    """
    try:
        with record.open(encoding="utf-8") as file:
            lines = file.read(_RECORD_MAX).splitlines()
    except FileNotFoundError:
        raise NoImage(f"no image was pushed from here: {_HOW}") from None
    except (OSError, ValueError) as error:
        raise NoImage(f"{record} cannot be read ({error}): {_HOW}") from error
    noted = dict(line.split("=", 1) for line in lines if "=" in line)
    image = noted.get("image", "") + (f"@{noted['digest']}" if noted.get("digest") else "")
    if not is_image(image):
        raise NoImage(f"{record} does not name an image: {_HOW}")
    return image


def is_image(text: str) -> bool:
    """Whether *text* can name an image: ``owner/name``, with a tag and a digest or without."""
    return _IMAGE.fullmatch(text) is not None
