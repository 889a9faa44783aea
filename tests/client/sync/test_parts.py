import itertools

from hypothesis import given
from hypothesis import strategies as st

from client.sync.parts import FILE_MAX, MIB, PART_MAX, cut


@given(st.integers(1, FILE_MAX), st.sampled_from([5 * MIB, 64 * MIB, PART_MAX]))
def test_the_parts_are_the_file_and_within_the_limits(size: int, wanted: int) -> None:
    parts = cut(size, max(wanted, size // 50))

    assert len(parts) <= 10_000
    assert sum(part.size for part in parts) == size
    assert [part.number for part in parts] == list(range(1, len(parts) + 1))
    assert all(after.offset == part.offset + part.size for part, after in itertools.pairwise(parts))
    assert all(part.size <= PART_MAX for part in parts)


def test_a_file_of_the_greatest_size_fits() -> None:
    assert len(cut(FILE_MAX)) <= 10_000
