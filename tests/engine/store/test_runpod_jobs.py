from pathlib import Path

from engine.model.job import Entry
from engine.model.states import JobState
from engine.store.jobs import JobStore
from engine.store.runpod_jobs import Kind, SentState
from tests.support.jobs import ENDPOINT, added, completed, submitted
from wire.ids import PromptId, RunPodJobId

SHA256 = ("a" * 64, "b" * 64)


def states(store: JobStore, job: PromptId) -> list[tuple[Kind, SentState]]:
    return [(sent.kind, sent.state) for sent in store.runpod_jobs.of(job)]


def test_a_refetch_is_found_again_after_a_restart_with_what_it_asked_for(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        submitted(store, job)
        number = store.runpod_jobs.begin_refetch(job, ENDPOINT, SHA256, 8)
        store.runpod_jobs.became(number, SentState.OPEN, RunPodJobId("again-u1"))

    with JobStore(tmp_path / "jobs.sqlite") as store:
        found = store.runpod_jobs.open_refetch(job)

        assert found is not None
        assert (found.number, found.runpod_id, found.wanted) == (number, "again-u1", SHA256)


def test_what_was_being_sent_when_the_program_ended_is_not_known_to_be_sent(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        submitted(store, job)
        store.runpod_jobs.begin_refetch(job, ENDPOINT, SHA256, 8)

    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.runpod_jobs.recover()

        assert store.runpod_jobs.open_refetch(job) is None
        assert states(store, job) == [(Kind.RUN, SentState.OPEN), (Kind.REFETCH, SentState.UNCERTAIN)]


def test_a_refetch_ends_with_its_job(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        submitted(store, job)
        number = store.runpod_jobs.begin_refetch(job, ENDPOINT, SHA256, 8)
        store.runpod_jobs.became(number, SentState.OPEN, RunPodJobId("again-u1"))
        store.end(job, JobState.CANCELLED, Entry(), 9)

        assert states(store, job) == [(Kind.RUN, SentState.ENDED), (Kind.REFETCH, SentState.STOPPING)]
        assert [sent.runpod_id for sent in store.runpod_jobs.to_stop()] == ["again-u1"]


def test_a_refetch_that_is_not_wanted_any_more_is_stopped_alone(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        submitted(store, job)
        number = store.runpod_jobs.begin_refetch(job, ENDPOINT, SHA256, 8)
        store.runpod_jobs.became(number, SentState.OPEN, RunPodJobId("again-u1"))
        store.runpod_jobs.stop_refetch(job)

        assert states(store, job) == [(Kind.RUN, SentState.OPEN), (Kind.REFETCH, SentState.STOPPING)]


def test_what_is_still_to_be_stopped_outlives_the_history(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        stopping, done = added(store, "stopping"), added(store, "done")
        submitted(store, stopping)
        store.end(stopping, JobState.FAILED, Entry(), 9, stop=True)
        completed(store, done)
        store.forget_all()

    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert [sent.runpod_id for sent in store.runpod_jobs.to_stop()] == ["stopping-u1"]
        assert store.runpod_jobs.of(done) == []
