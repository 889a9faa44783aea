"""What goes after a job, what stays, and that ComfyUI has forgotten what it cached before files go that it may name."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from worker.files.cleanup import Cleanup
from worker.folders import Folders

NOW = 1_000_000.0


class Jobs:
    """Jobs one after another, and how often ComfyUI was asked to forget its cache."""

    def __init__(self, data: Path, max_age_s: float = 3600, max_bytes: int = 1000) -> None:
        folders = Folders(data)
        folders.create()
        self._cleanup = Cleanup(folders, max_age_s, max_bytes, lambda: NOW)
        self.answers = True
        self.asked = 0

    async def _forget_cache(self) -> bool:
        self.asked += 1
        return self.answers

    async def end(self, staged: Iterable[Path] = (), *, prompt_ran: bool = True) -> None:
        await self._cleanup.after_job(staged, prompt_ran=prompt_ran, forget_cache=self._forget_cache)


def put(path: Path, size: int = 10, age_s: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


async def test_the_inputs_of_a_job_go_with_it_and_others_stay(tmp_path: Path) -> None:
    own = put(tmp_path / "input" / "deep" / "er" / "mine.png")
    baked = put(tmp_path / "input" / "example.png")

    await Jobs(tmp_path).end([own], prompt_ran=False)

    assert not own.exists()
    assert not (tmp_path / "input" / "deep").exists()
    assert baked.exists()


async def test_inputs_that_are_gone_already_are_no_problem(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)

    await jobs.end([tmp_path / "input" / "a" / "gone.png"])

    assert (tmp_path / "input").is_dir()
    assert jobs.asked == 0


@pytest.mark.parametrize("folder", ["output", "temp"])
async def test_results_of_earlier_prompts_stay_because_comfyui_may_name_them_again(tmp_path: Path, folder: str) -> None:
    earlier = [put(tmp_path / folder / f"{number}.png", age_s=60 * number) for number in range(20)]
    jobs = Jobs(tmp_path)

    await jobs.end()
    await jobs.end()

    assert all(path.exists() for path in earlier)
    assert jobs.asked == 0


async def test_old_results_go_after_the_prompt_after_which_comfyui_has_surely_forgotten_them(tmp_path: Path) -> None:
    old, young = put(tmp_path / "output" / "a" / "old.png", age_s=3601), put(tmp_path / "temp" / "young.png", age_s=10)
    jobs = Jobs(tmp_path)

    await jobs.end()
    asked, there = jobs.asked, old.exists()
    await jobs.end(prompt_ran=False)
    still_there = old.exists()
    await jobs.end()

    assert (asked, there, still_there) == (1, True, True)
    assert not (tmp_path / "output" / "a").exists()
    assert (tmp_path / "output").is_dir()
    assert young.exists()
    assert jobs.asked == 1


async def test_results_stay_while_comfyui_cannot_be_asked_to_forget_them(tmp_path: Path) -> None:
    old = put(tmp_path / "output" / "old.png", age_s=3601)
    jobs = Jobs(tmp_path)
    jobs.answers = False
    for _ in range(3):
        await jobs.end()

    assert old.exists()
    assert jobs.asked == 3


async def test_a_result_that_was_written_again_meanwhile_stays(tmp_path: Path) -> None:
    old = put(tmp_path / "output" / "latest.png", age_s=3601)
    jobs = Jobs(tmp_path)
    await jobs.end()
    put(old, age_s=0)

    await jobs.end()

    assert old.exists()


async def test_the_oldest_results_of_both_folders_go_until_half_is_left(tmp_path: Path) -> None:
    folders = ("output", "temp")
    files = [put(tmp_path / folders[n % 2] / f"{n}.png", size=200, age_s=n) for n in range(6)]
    jobs = Jobs(tmp_path, max_bytes=1000)

    await jobs.end()
    await jobs.end()

    assert [file.exists() for file in files] == [True, True, False, False, False, False]


async def test_comfyui_loses_its_cache_once_for_many_jobs(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path, max_bytes=1000)
    for number in range(20):
        put(tmp_path / "output" / f"{number}.png", size=100, age_s=-number)
        await jobs.end()

    assert jobs.asked == 2


async def test_half_of_the_allowed_age_goes_when_anything_is_too_old(tmp_path: Path) -> None:
    ages = (3601, 1801, 1799)
    files = [put(tmp_path / "output" / f"{age_s}.png", age_s=age_s) for age_s in ages]
    jobs = Jobs(tmp_path, max_age_s=3600)

    await jobs.end()
    await jobs.end()

    assert [file.exists() for file in files] == [False, False, True]


async def test_links_and_what_they_lead_to_stay(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside.png", age_s=9999)
    (tmp_path / "data" / "temp").mkdir(parents=True)
    (tmp_path / "data" / "temp" / "link.png").symlink_to(outside)
    jobs = Jobs(tmp_path / "data")

    await jobs.end()
    await jobs.end()

    assert outside.exists()
    assert (tmp_path / "data" / "temp" / "link.png").is_symlink()


async def test_a_file_that_cannot_be_removed_does_not_keep_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "input" / "a-folder"
    folder.mkdir(parents=True)
    own = put(tmp_path / "input" / "mine.png")

    await Jobs(tmp_path).end([folder, own])

    assert not own.exists()
    assert "cannot be removed" in caplog.text
