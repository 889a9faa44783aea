"""SQLite on disk."""

from pathlib import Path

import pytest

from proxy.core.intake import Progress
from proxy.core.job import Entry, Submission
from proxy.core.lifecycle import IllegalTransition, JobState
from proxy.job_store import JobStore
from wire.events import LogLine, Numbered
from wire.ids import PromptId, RunPodJobId


def submission(prompt_id: str, *, front: bool = False, number: float | None = None) -> Submission:
    prompt = {"1": {"class_type": "A", "inputs": {"seed": 18446744073709551615}}}
    return Submission(PromptId(prompt_id), prompt, {"create_time": 1}, ("1",), front=front, number=number)


def finish(store: JobStore, prompt_id: str, entry: Entry | None = None) -> None:
    store.move(PromptId(prompt_id), JobState.SUBMITTING)
    store.move(PromptId(prompt_id), JobState.QUEUED, runpod_id=RunPodJobId("r"))
    store.end(PromptId(prompt_id), JobState.COMPLETED, entry or Entry(), 9)


def test_a_job_survives_a_restart(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        added = store.add(submission("a"), 5)

    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert store.get("a") == added
        assert store.get("a").prompt["1"]["inputs"]["seed"] == 18446744073709551615


def test_the_queue_is_ordered_by_number_and_front_goes_first(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        for prompt_id in ("a", "b"):
            store.add(submission(prompt_id), 5)
        store.add(submission("c", front=True), 5)
        store.add(submission("d", number=0.5), 5)

        assert store.pending_ids() == ["c", "a", "d", "b"]
        assert [job.number for job in store.active()] == [-2, 0, 0.5, 1]


def test_a_move_without_an_arrow_changes_nothing(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        with pytest.raises(IllegalTransition):
            store.move(PromptId("a"), JobState.RUNNING)

        assert store.get("a").state is JobState.PENDING


def test_completions_are_one_rising_sequence_over_local_and_remote(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        first = store.completions(["local1", "local2"])
        store.add(submission("remote"), 5)
        finish(store, "remote")
        second = store.completions(["local1", "local2", "local3"])

        assert (first["local1"], first["local2"]) == (second["local1"], second["local2"])
        place = store.get("remote").completion
        assert place is not None
        assert second["local2"] < place < second["local3"]


def test_history_keeps_the_newest_and_forgets_what_it_is_told_to(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        for prompt_id in ("a", "b", "c"):
            store.add(submission(prompt_id), 5)
            finish(store, prompt_id, Entry(outputs={"1": {"text": [prompt_id]}}))
        store.add(submission("pending"), 5)

        assert [job.prompt_id for job in store.ended(2)] == ["b", "c"]
        store.forget(["b", "pending"])
        assert [job.prompt_id for job in store.ended()] == ["a", "c"]
        assert store.count_active() == 1
        store.forget_all()
        assert store.ended() == []


def test_a_job_cancelled_while_pending_leaves_no_history(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        store.end(PromptId("a"), JobState.CANCELLED, None, 6)

        assert store.ended() == []
        assert store.counts()[JobState.CANCELLED] == 1


def test_what_was_received_is_there_after_a_restart_and_gone_after_the_end(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    kept = [Numbered(seq=0, event=LogLine(text="x"))]
    with JobStore(path) as store:
        store.add(submission("a"), 5)
        store.received(PromptId("a"), Progress("run", 3, 4), kept, restarted=False)

    with JobStore(path) as store:
        assert store.progress(PromptId("a")) == Progress("run", 3, 4)
        assert [event["text"] for event in store.events(PromptId("a"))] == ["x"]
        store.end(PromptId("a"), JobState.FAILED, Entry(), 9)
        assert store.events(PromptId("a")) == []


def test_a_saved_file_is_known_by_job_name_and_content(tmp_path: Path) -> None:
    worker, local = ("output", "", "ComfyUI_00001_.png"), ("output", "", "ComfyUI_00007_.png")
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        store.remember_file(PromptId("a"), worker, "f" * 64, local)

        assert store.saved_file(PromptId("a"), worker, "f" * 64) == local
        assert store.saved_file(PromptId("a"), worker, "0" * 64) is None
        assert store.names(PromptId("a")) == {worker: local}


def test_no_two_jobs_share_a_number_after_history_was_cleared(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.add(submission("a"), 5)
        store.add(submission("b"), 5)
        finish(store, "a")
        store.forget_all()

        assert store.add(submission("c"), 5).number == 2
