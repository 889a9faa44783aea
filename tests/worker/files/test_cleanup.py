"""What a job leaves behind."""

import os
from pathlib import Path

from worker.files.cleanup import Cleanup
from worker.folders import Folders

NOW = 1_000_000.0


def put(path: Path, size: int = 10, age_s: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (NOW - age_s, NOW - age_s))
    return path


def hygiene(data: Path, max_age_s: float = 3600, max_bytes: int = 1000) -> Cleanup:
    folders = Folders(data)
    folders.create()
    return Cleanup(folders, max_age_s, max_bytes, lambda: NOW)


def test_the_inputs_of_a_job_go_with_it_and_others_stay(tmp_path: Path) -> None:
    own = put(tmp_path / "input" / "deep" / "er" / "mine.png")
    baked = put(tmp_path / "input" / "example.png")

    hygiene(tmp_path).after([own], {})

    assert not own.exists()
    assert not (tmp_path / "input" / "deep" / "er").exists()
    assert baked.exists()


def test_temp_is_emptied_but_for_what_the_last_prompt_names(tmp_path: Path) -> None:
    named, other = put(tmp_path / "temp" / "p_00001_.png"), put(tmp_path / "temp" / "sub" / "old.png")
    outputs = {"9": {"images": [{"filename": named.name, "subfolder": "", "type": "temp"}]}}

    hygiene(tmp_path).after([], outputs)

    assert named.exists()
    assert not other.exists()
    assert (tmp_path / "temp").is_dir()


def test_after_a_failed_job_temp_stays_for_the_cached_nodes(tmp_path: Path) -> None:
    cached = put(tmp_path / "temp" / "p_00001_.png")

    hygiene(tmp_path).after([], None)

    assert cached.exists()


def test_old_outputs_go(tmp_path: Path) -> None:
    old, young = (
        put(tmp_path / "output" / "a" / "old.png", age_s=3601),
        put(tmp_path / "output" / "young.png", age_s=3599),
    )

    hygiene(tmp_path).after([], {})

    assert not old.exists()
    assert young.exists()


def test_the_oldest_outputs_go_when_they_are_too_many(tmp_path: Path) -> None:
    files = [put(tmp_path / "output" / f"{number}.png", size=400, age_s=number) for number in range(4)]

    hygiene(tmp_path).after([], {})

    assert [file.exists() for file in files] == [True, True, False, False]


def test_a_name_that_leads_out_saves_and_removes_nothing(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside.png")
    (tmp_path / "temp").mkdir()
    (tmp_path / "temp" / "link.png").symlink_to(outside)

    hygiene(tmp_path).after([], {"1": {"images": [{"filename": "../outside.png", "subfolder": "", "type": "temp"}]}})

    assert outside.exists()
