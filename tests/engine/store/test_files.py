from pathlib import Path

from engine.store.jobs import JobStore
from tests.support.jobs import added

WORKER, LOCAL = ("output", "", "ComfyUI_00001_.png"), ("output", "", "ComfyUI_00007_.png")
ONE, OTHER = "f" * 64, "0" * 64


def test_a_saved_file_is_known_by_job_name_and_content(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job, another = added(store, "a"), added(store, "b")
        store.files.remember(job, WORKER, ONE, LOCAL)

        assert store.files.saved(job, WORKER, ONE) == LOCAL
        assert store.files.saved(job, WORKER, OTHER) is None
        assert store.files.saved(another, WORKER, ONE) is None
        assert store.files.names(job) == {WORKER: LOCAL}


def test_the_newest_job_tells_where_a_file_was_stored_before(tmp_path: Path) -> None:
    newer = ("output", "", "ComfyUI_00009_.png")
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.files.remember(added(store, "a"), WORKER, ONE, LOCAL)
        job = added(store, "b")
        store.update(job, created_ms=99)
        store.files.remember(job, WORKER, ONE, newer)

        assert store.files.stored_before(WORKER, ONE) == newer
        assert store.files.stored_before(WORKER, OTHER) is None


def test_temp_files_are_found_until_they_are_gone(tmp_path: Path) -> None:
    temp = ("temp", "", "p_00001_.png")
    with JobStore(tmp_path / "jobs.sqlite") as store:
        job = added(store, "a")
        store.files.remember(job, temp, ONE, temp)
        store.files.remember(job, WORKER, OTHER, LOCAL)
        before = (store.files.newest_temp_file(), store.files.jobs_with_temp_files())
        store.lose_temp_files(job)

        assert before == (temp, [job])
        assert (store.files.newest_temp_file(), store.files.jobs_with_temp_files()) == (None, [])
        assert store.files.local(job) == {temp: True, LOCAL: False}
