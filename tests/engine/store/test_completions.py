from pathlib import Path

from engine.store.jobs import JobStore
from tests.support.jobs import added, completed


def test_completions_are_one_rising_sequence_over_local_and_remote(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        first = store.completions.positions(["local1", "local2"])
        completed(store, added(store, "remote"))
        second = store.completions.positions(["local1", "local2", "local3"])
        position = store.get("remote").completion

    assert (first["local1"], first["local2"]) == (second["local1"], second["local2"])
    assert position is not None
    assert second["local2"] < position < second["local3"]


def test_a_local_prompt_with_the_id_of_ours_is_not_shown_twice(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        completed(store, added(store, "a"))

        assert set(store.completions.positions(["a", "b"])) == {"b"}
