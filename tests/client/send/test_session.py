"""The jobs of one command on disk: forgotten when they have ended, found again when it was killed."""

from pathlib import Path

import pytest

from client.send.session import SendSession, UnknownJob, abandoned, new_session, saved_paths, session_with
from engine.errors import CannotStart
from engine.model.job import Entry
from engine.model.states import JobState
from wire.ids import PromptId, RunPodJobId

ENTRY = Entry(outputs={}, status={"status_str": "error", "completed": False, "messages": []}, meta={})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


def submitted(session: SendSession, runpod_id: str) -> PromptId:
    prompt_id = session.add({"1": {"class_type": "Any", "inputs": {}}}, {})
    number = session.store.begin_submission(prompt_id, "endpoint", 0)
    session.store.accepted(prompt_id, number, RunPodJobId(runpod_id), 0)
    return prompt_id


@pytest.fixture
def left(home: Path) -> PromptId:
    """A job that is still at RunPod, whose command has ended."""
    with new_session(home) as session:
        return submitted(session, "job-u1")


def test_a_session_is_forgotten_with_its_jobs(home: Path) -> None:
    with new_session(home) as session:
        prompt_id = submitted(session, "job-u1")
        session.store.end(prompt_id, JobState.FAILED, ENTRY, 0)

    assert list(home.iterdir()) == []


def test_jobs_that_were_never_submitted_are_forgotten(home: Path) -> None:
    with new_session(home) as session:
        session.add({}, {})

    assert list(home.iterdir()) == []
    assert abandoned(home) == []


def test_a_job_at_runpod_keeps_its_session(home: Path, left: PromptId) -> None:
    assert abandoned(home) == ["job-u1"]
    for name in ("job-u1", left):
        with session_with(home, name) as session:
            assert [job.prompt_id for job in session.store.active()] == [left]


def test_a_session_in_use_is_neither_abandoned_nor_taken(home: Path) -> None:
    with new_session(home) as session:
        submitted(session, "job-u1")
        found = abandoned(home)
        in_use = pytest.raises(CannotStart, match="another command is already following this job")
        with in_use, session_with(home, "job-u1"):
            pass

    assert found == []


def test_a_job_that_no_session_has_is_unknown(home: Path, left: PromptId) -> None:
    with pytest.raises(UnknownJob), session_with(home, "other-u1"):
        pass
    with pytest.raises(UnknownJob), session_with(home / "nothing", left):
        pass


def test_a_job_that_was_submitted_elsewhere_is_followed_as_ours(home: Path) -> None:
    with new_session(home) as session:
        job = session.store.get(session.adopt("job-u7", "other-endpoint"))

    assert (job.runpod_id, job.endpoint_id, job.state) == ("job-u7", "other-endpoint", JobState.QUEUED)


def test_results_are_below_the_output_folder_and_previews_in_temp(tmp_path: Path) -> None:
    names = {
        ("output", "", "a.png"): ("output", "sub", "a_1.png"),
        ("temp", "", "t.png"): ("temp", "", "t_1.png"),
    }

    assert saved_paths(names, tmp_path) == [tmp_path / "sub" / "a_1.png", tmp_path / "temp" / "t_1.png"]
