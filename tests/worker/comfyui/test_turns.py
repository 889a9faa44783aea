"""One prompt at a time, and how long a cancelled one may hold the next up."""

import asyncio

import pytest

from tests.support.skipped_time import in_skipped_time
from worker.comfyui.turns import Turns


def now() -> float:
    return asyncio.get_running_loop().time()


async def quiet() -> None:
    return


async def take(turns: Turns) -> None:
    async with turns.take(quiet):
        pass


async def withdraw(turns: Turns, begin_s: float = 0) -> float:
    """A job that is cancelled after *begin_s* and whose prompt never leaves; how long the withdrawal took."""
    async with turns.take(quiet):
        await asyncio.sleep(begin_s)
        began = now()
        with pytest.raises(TimeoutError):
            async with turns.withdrawal():
                await asyncio.Event().wait()
        return now() - began


async def later(wait_s: float, turns: Turns, give_up_s: float | None = None) -> None:
    """The next job: arrives after *wait_s*, and is cancelled after *give_up_s*."""
    await asyncio.sleep(wait_s)
    try:
        async with asyncio.timeout(give_up_s):
            await take(turns)
    except TimeoutError:
        assert give_up_s is not None


@in_skipped_time
async def test_the_second_turn_begins_when_the_first_has_ended() -> None:
    turns, order = Turns(), list[str]()

    async def job(name: str) -> None:
        async with turns.take(quiet):
            order.append(f"{name} begins")
            await asyncio.sleep(10)
            order.append(f"{name} ends")

    await asyncio.gather(job("first"), job("second"))

    assert order == ["first begins", "first ends", "second begins", "second ends"]


@in_skipped_time
async def test_a_turn_ends_with_an_error() -> None:
    turns = Turns()
    with pytest.raises(RuntimeError):
        async with turns.take(quiet):
            raise RuntimeError

    async with asyncio.timeout(1):
        await take(turns)


async def reported(turns: Turns, wait_s: float) -> list[float]:
    """When a job that arrives after *wait_s* is told that a prompt is being withdrawn."""
    told = list[float]()

    async def report() -> None:
        told.append(now())

    await asyncio.sleep(wait_s)
    async with turns.take(report):
        return told


@in_skipped_time
async def test_a_job_that_arrives_during_a_withdrawal_is_told_at_once() -> None:
    turns = Turns(60, 5)

    _, told = await asyncio.gather(withdraw(turns), reported(turns, 20))

    assert told == [20]


@in_skipped_time
async def test_a_job_that_waits_already_is_told_when_a_withdrawal_begins() -> None:
    turns = Turns(60, 5)

    _, told = await asyncio.gather(withdraw(turns, begin_s=100), reported(turns, 20))

    assert told == [100]


@in_skipped_time
async def test_a_job_that_waits_for_a_prompt_that_ends_by_itself_is_told_nothing() -> None:
    turns = Turns(60, 5)

    async def running() -> None:
        async with turns.take(quiet):
            await asyncio.sleep(100)

    _, told = await asyncio.gather(running(), reported(turns, 20))

    assert told == []


@in_skipped_time
async def test_a_job_after_a_withdrawal_is_told_nothing() -> None:
    turns = Turns(60, 5)
    await withdraw(turns)

    assert await reported(turns, 0) == []


@in_skipped_time
async def test_a_withdrawal_takes_its_time_when_no_job_waits() -> None:
    assert await withdraw(Turns(60, 5)) == pytest.approx(60)


@in_skipped_time
async def test_a_withdrawal_ends_soon_after_a_job_begins_to_wait() -> None:
    turns = Turns(60, 5)

    took, _ = await asyncio.gather(withdraw(turns), later(20, turns))

    assert took == pytest.approx(25)


@in_skipped_time
async def test_a_job_that_waits_already_gives_a_withdrawal_its_few_seconds() -> None:
    turns = Turns(60, 5)

    took, _ = await asyncio.gather(withdraw(turns, begin_s=100), later(20, turns))

    assert took == pytest.approx(5)


@in_skipped_time
async def test_a_withdrawal_takes_its_time_again_when_the_waiting_job_is_cancelled() -> None:
    turns = Turns(60, 5)

    took, _ = await asyncio.gather(withdraw(turns), later(20, turns, give_up_s=2))

    assert took == pytest.approx(60)


@in_skipped_time
async def test_a_second_waiting_job_does_not_prolong_a_withdrawal() -> None:
    turns = Turns(60, 5)

    took, *_ = await asyncio.gather(withdraw(turns), later(20, turns), later(23, turns))

    assert took == pytest.approx(25)


@in_skipped_time
async def test_a_waiting_job_never_makes_a_withdrawal_longer_than_without() -> None:
    turns = Turns(60, 5)

    took, _ = await asyncio.gather(withdraw(turns), later(58, turns))

    assert took == pytest.approx(60)
