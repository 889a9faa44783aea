"""The pieces of a catalog become one, or nothing."""

import os

import pytest

from engine.catalog.assembly import Assembly
from wire.events import CatalogPiece
from wire.files import encode_bytes
from wire.limits import CATALOG_PACKED_MAX, CATALOG_PIECE

SHA, OTHER = "a" * 64, "b" * 64


def piece(number: int, data: bytes = b"x", count: int = 3, sha256: str = SHA) -> CatalogPiece:
    return CatalogPiece(sha256=sha256, number=number, count=count, data=encode_bytes(data))


def joined(*pieces: CatalogPiece) -> list[bytes]:
    assembly = Assembly()
    return [whole for one in pieces if (whole := assembly.add("job", one)) is not None]


def test_pieces_in_order_are_joined() -> None:
    assert joined(piece(0, b"a"), piece(1, b"b"), piece(2, b"c")) == [b"abc"]


@pytest.mark.parametrize(
    "numbers",
    [(0, 0, 1, 1, 2), (0, 1, 0, 1, 2), (0, 1, 1, 2, 2), (1, 2, 0, 1, 2)],
    ids=["each twice", "from the beginning again", "the last ones twice", "the end, and then all"],
)
def test_pieces_that_come_again_do_no_harm(numbers: tuple[int, ...]) -> None:
    assert joined(*(piece(number, str(number).encode()) for number in numbers)) == [b"012"]


@pytest.mark.parametrize(
    "pieces",
    [
        (piece(1), piece(2)),
        (piece(0), piece(2)),
        (piece(0), piece(1, sha256=OTHER), piece(2)),
        (piece(0), piece(1, count=4), piece(2)),
        (piece(0), piece(1, b""), piece(2)),
        (piece(0), piece(1).model_copy(update={"data": "not base64!"}), piece(2)),
        (piece(5, count=3),),
    ],
    ids=["no beginning", "a gap", "another catalog", "another count", "an empty one", "rubbish", "beyond its end"],
)
def test_what_is_not_whole_is_dropped(pieces: tuple[CatalogPiece, ...]) -> None:
    assert joined(*pieces) == []


def test_a_catalog_is_not_larger_than_its_budget() -> None:
    full = os.urandom(CATALOG_PIECE + 1000)
    count = CATALOG_PACKED_MAX // CATALOG_PIECE + 1

    assert joined(*(piece(number, full, count) for number in range(count))) == []


def test_catalogs_of_several_jobs_do_not_mix_and_only_some_are_kept() -> None:
    assembly = Assembly()
    for job in range(6):
        assembly.add(job, piece(0, str(job).encode(), count=2))
    ends = [assembly.add(job, piece(1, b"!", count=2)) for job in range(6)]

    assert ends == [None, None, b"2!", b"3!", b"4!", b"5!"]
