"""One of several workers does the work; a lock whose holder is gone does not stop the others."""

import asyncio
import os
from pathlib import Path

import pytest

from worker.models.download_lock import DownloadLock


def lock(folder: Path, stale_s: float = 0.2) -> DownloadLock:
    return DownloadLock(folder / "lock", touch_s=0.02, stale_s=stale_s)


async def test_a_lock_is_a_file_while_it_is_held(tmp_path: Path) -> None:
    async with lock(tmp_path).held():
        held = (tmp_path / "lock").exists()

    assert held
    assert not (tmp_path / "lock").exists()


async def test_a_lock_is_released_when_the_work_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        async with lock(tmp_path).held():
            raise RuntimeError

    assert not (tmp_path / "lock").exists()


async def test_the_lock_of_a_worker_that_is_gone_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("somebody who is gone")

    async with asyncio.timeout(60), lock(tmp_path, stale_s=0.1).held():
        ours = (tmp_path / "lock").read_text()

    assert ours != "somebody who is gone"
    assert not (tmp_path / "lock").exists()


async def test_a_lock_that_its_holder_touches_is_waited_for(tmp_path: Path) -> None:
    first, second = lock(tmp_path), lock(tmp_path)
    order = list[str]()

    async def later() -> None:
        async with second.held():
            order.append("second")

    async with first.held():
        waiting = asyncio.create_task(later())
        await asyncio.sleep(0.6)  # longer than a lock stays that nobody touches
        order.append("first")
    await waiting

    assert order == ["first", "second"]


async def test_a_lock_that_was_taken_over_meanwhile_is_left_to_its_new_holder(tmp_path: Path) -> None:
    async with lock(tmp_path).held():
        (tmp_path / "lock").write_text("another worker")

    assert (tmp_path / "lock").read_text() == "another worker"


async def test_the_clock_of_the_other_machine_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("a machine whose clock is a day ahead")
    tomorrow = (tmp_path / "lock").stat().st_mtime + 86_400
    os.utime(tmp_path / "lock", (tomorrow, tomorrow))

    async with asyncio.timeout(60), lock(tmp_path, stale_s=0.1).held():
        taken = (tmp_path / "lock").exists()

    assert taken
