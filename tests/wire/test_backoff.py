"""Pauses grow, and end growing."""

from hypothesis import given
from hypothesis import strategies as st

from wire.backoff import next_delay


def test_a_pause_is_twice_as_long_each_time() -> None:
    assert [next_delay(attempts) for attempts in range(8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert next_delay(2, base_s=1.0, cap_s=3.0) == 3.0


@given(st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_longer_than_its_limit_and_never_nothing(attempts: int, jitter: float) -> None:
    whole = next_delay(attempts)

    assert 0.25 <= whole / 2 <= next_delay(attempts, jitter) <= whole <= 30.0
