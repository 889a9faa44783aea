"""How each input file of a job travels: only named, inside the job, or through the bucket or volume."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from proxy.core.inputs import InputFile, WorkflowError
from wire.limits import INLINE_INPUTS_MAX, KEPT_MIN, MIB, RUN_BODY_MAX

_AROUND = 64 * 1024
"""bytes of a job around its prompt, its metadata and the bytes of its files"""


class Way(Enum):
    NAMED = "named"
    """the worker should have it"""
    INSIDE = "inside"
    STORED = "stored"
    """through the bucket or the volume"""


@dataclass(frozen=True, slots=True)
class Content:
    """A file that a prompt needs, and what is in it."""

    file: InputFile
    sha256: str
    size: int


def inside_room(rest: int) -> int:
    """How many bytes of files fit into a job whose other JSON has *rest* bytes; base64 makes 4 of 3."""
    return max(0, min(INLINE_INPUTS_MAX, (RUN_BODY_MAX - _AROUND - rest) * 3 // 4))


def ways(contents: Sequence[Content], kept: Collection[str], room: int, *, has_store: bool) -> list[Way]:
    """The way of each of *contents*; *kept* are those that the endpoint has, *room* is what fits into the job.

    A content that several files share is sent once. Raises WorkflowError when there is no way for all of them.
    """
    chosen = [Way.NAMED if content.size >= KEPT_MIN and content.sha256 in kept else Way.INSIDE for content in contents]
    met: set[str] = set()
    for place, content in enumerate(contents):
        if content.size >= KEPT_MIN and content.sha256 in met:
            chosen[place] = Way.NAMED
        met.add(content.sha256)
    inside = [place for place, way in enumerate(chosen) if way is Way.INSIDE]
    for place in sorted(inside, key=lambda place: -contents[place].size):
        if _total(contents, chosen) <= room:
            break
        if not has_store:
            raise _too_large([contents[place] for place in inside], room)
        chosen[place] = Way.STORED
    return chosen


def _total(contents: Iterable[Content], chosen: Iterable[Way]) -> int:
    return sum(content.size for content, way in zip(contents, chosen, strict=True) if way is Way.INSIDE)


def _too_large(contents: Sequence[Content], room: int) -> WorkflowError:
    """Told on the node that reads the largest."""
    ordered = sorted(contents, key=lambda content: -content.size)
    each = "\n".join(f"  {content.file.value}: {content.size:,} bytes" for content in ordered)
    total = sum(content.size for content in contents)
    text = (
        f"The input files that have to be sent are {total:,} bytes together:\n{each}\n"
        f"This job takes {room:,} bytes ({room / MIB:.1f} MiB) of them: RunPod accepts no larger one. Three ways out:\n"
        "  - a bucket: set BUCKET_ENDPOINT_URL, BUCKET_NAME, BUCKET_ACCESS_KEY_ID and BUCKET_SECRET_ACCESS_KEY\n"
        "  - the endpoint's network volume: set RUNPOD_VOLUME_ID, RUNPOD_DATACENTER, RUNPOD_S3_ACCESS_KEY and"
        " RUNPOD_S3_SECRET_KEY\n"
        "  - smaller files"
    )
    return WorkflowError(text, ordered[0].file.node_id)
