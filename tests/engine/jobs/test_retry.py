import pytest

from engine.jobs.retry import Retry, delay_s
from engine.jobs.troubles import Troubles
from wire.errors import Unavailable


async def test_it_is_tried_until_it_works_and_waits_as_long_as_it_is_told() -> None:
    slept: list[float] = []
    failures = iter([Unavailable("down", 7.0), Unavailable("down", None)])

    async def call() -> str:
        for failure in failures:
            raise failure
        return "here"

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert await Retry("a", Troubles(lambda *_: None), sleep).until(call, "do it") == "here"
    assert slept[0] >= 7
    assert 0 < slept[1] < 7


async def test_what_is_no_passing_trouble_is_raised() -> None:
    async def call() -> None:
        raise KeyError("bug")

    async def sleep(seconds: float) -> None:
        raise AssertionError("there is nothing to wait for")

    with pytest.raises(KeyError):
        await Retry("a", Troubles(lambda *_: None), sleep).until(call, "do it")


def test_the_pause_grows_and_has_an_end() -> None:
    assert all(0 < delay_s(failures, 0.0) <= 60 for failures in range(100))
    assert max(delay_s(0, 0.0) for _ in range(50)) < min(delay_s(9, 0.0) for _ in range(50))
