"""Which job ran a prompt, for a proxy that never heard."""

import os
from pathlib import Path

import pytest

from worker.known_jobs import KEPT_S, KnownJobs

ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


def test_a_job_is_found_by_its_prompt_also_by_another_worker_with_the_same_folder(tmp_path: Path) -> None:
    KnownJobs(tmp_path / "jobs", lambda: 0.0).remember(ONE, "job-u1")

    assert KnownJobs(tmp_path / "jobs", lambda: 0.0).found([TWO, ONE, "../../etc/passwd"]) == {ONE: "job-u1"}


def test_the_newest_job_of_a_prompt_counts(tmp_path: Path) -> None:
    known = KnownJobs(tmp_path, lambda: 0.0)
    known.remember(ONE, "job-u1")
    known.remember(ONE, "job-u2")

    assert known.found([ONE]) == {ONE: "job-u2"}


@pytest.mark.parametrize("prompt_id", ["", "..", "../x", "a/b", "not-a-uuid", ONE.upper().replace("0", "A")])
def test_what_is_no_uuid_is_not_remembered(tmp_path: Path, prompt_id: str) -> None:
    KnownJobs(tmp_path / "jobs", lambda: 0.0).remember(prompt_id, "job-u1")

    assert not (tmp_path / "jobs").exists()


def test_a_job_is_forgotten_after_a_day(tmp_path: Path) -> None:
    known = KnownJobs(tmp_path, lambda: KEPT_S + 10)
    known.remember(ONE, "job-u1")
    os.utime(tmp_path / ONE, (0, 0))
    known.remember(TWO, "job-u2")

    assert known.found([ONE, TWO]) == {TWO: "job-u2"}


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "jobs").write_text("a file")
    known = KnownJobs(tmp_path / "jobs", lambda: 0.0)
    known.remember(ONE, "job-u1")

    assert known.found([ONE]) == {}
    assert "not remembered" in caplog.text
