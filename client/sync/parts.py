"""How a large file is cut for its upload. Source: RunPod docs, storage/s3-api; the S3 API's 10 000 parts."""

from dataclasses import dataclass

MIB = 1024 * 1024
PART_SIZE = 64 * MIB
PART_MAX = 500 * 1000 * 1000
"""a larger part, or a larger object in one piece, is refused"""
FILE_MAX = 4 * 1000**4
_PARTS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """Number, from 1, and place in the file."""

    number: int
    offset: int
    size: int


def cut(size: int, wanted: int = PART_SIZE) -> tuple[Part, ...]:
    """The parts of a file of *size* bytes, *wanted* bytes each unless that would make too many."""
    length = min(max(wanted, -(-size // _PARTS_MAX)), PART_MAX)
    offsets = range(0, size, length)
    return tuple(Part(number, at, min(length, size - at)) for number, at in enumerate(offsets, 1))
