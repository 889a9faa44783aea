"""How each input file of a job travels: cached at the endpoint, inside the job, or through a bucket or volume."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from engine.model.input_file import InputFile
from engine.prompt.inputs import WorkflowError
from wire.limits import INLINE_INPUTS_MAX, KEPT_MIN, MIB, RUN_BODY_MAX

_AROUND = 64 * 1024
"""bytes of a job around its prompt, its metadata and the bytes of its files"""


class Transport(Enum):
    """The kinds of source in wire/files.py."""

    CACHED = "cached"
    """the worker should have it"""
    INLINE = "inline"
    URL = "url"
    """through a bucket, by a signed address"""
    VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class InputContent:
    """A file that a prompt needs, and what is in it."""

    file: InputFile
    sha256: str
    size: int


def inline_room(rest: int) -> int:
    """How many bytes of files fit into a job whose other JSON has *rest* bytes; base64 makes 4 of 3."""
    return max(0, min(INLINE_INPUTS_MAX, (RUN_BODY_MAX - _AROUND - rest) * 3 // 4))


def transports(
    contents: Sequence[InputContent], cached: Collection[str], room: int, *, store: Transport | None
) -> list[Transport]:
    """How each of *contents* travels. *cached* are the SHA-256 that the endpoint has, *room* is the bytes that fit
    into the job, *store* is URL or VOLUME, None without either.

    A content that several files share is sent once. Raises WorkflowError when they cannot all be sent.
    """
    chosen = [
        Transport.CACHED if content.size >= KEPT_MIN and content.sha256 in cached else Transport.INLINE
        for content in contents
    ]
    met: set[str] = set()
    for index, content in enumerate(contents):
        if content.size >= KEPT_MIN and content.sha256 in met:
            chosen[index] = Transport.CACHED
        met.add(content.sha256)
    inline = [index for index, transport in enumerate(chosen) if transport is Transport.INLINE]
    for index in sorted(inline, key=lambda index: -contents[index].size):
        if _total(contents, chosen) <= room:
            break
        if store is None:
            raise _too_large([contents[index] for index in inline], room)
        chosen[index] = store
    return chosen


def _total(contents: Iterable[InputContent], chosen: Iterable[Transport]) -> int:
    pairs = zip(contents, chosen, strict=True)
    return sum(content.size for content, transport in pairs if transport is Transport.INLINE)


def _too_large(contents: Sequence[InputContent], room: int) -> WorkflowError:
    """Told on the node that reads the largest."""
    ordered = sorted(contents, key=lambda content: -content.size)
    each = "\n".join(f"  {content.file.value}: {content.size:,} bytes" for content in ordered)
    total = sum(content.size for content in contents)
    text = (
        f"The input files and embedded pictures that have to be sent are {total:,} bytes together:\n{each}\n"
        f"This job takes {room:,} bytes ({room / MIB:.1f} MiB) of them: RunPod accepts no larger one. Three ways out:\n"
        "  - a bucket: set BUCKET_ENDPOINT_URL, BUCKET_NAME, BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY\n"
        "  - the endpoint's network volume: set RUNPOD_VOLUME_ID, RUNPOD_DATACENTER, RUNPOD_S3_ACCESS_KEY and"
        " RUNPOD_S3_SECRET_KEY\n"
        "  - smaller files; a picture that is embedded in the workflow is smaller as a file, loaded by Load Image"
    )
    return WorkflowError(text, ordered[0].file.node_id or None)
