from pathlib import Path

from engine.store.jobs import JobStore

ONE, OTHER = "0" * 64, "1" * 64


def test_what_an_endpoint_has_is_known_of_that_endpoint_until_it_lacks_it(tmp_path: Path) -> None:
    with JobStore(tmp_path / "jobs.sqlite") as store:
        store.cached.add("a", [ONE, OTHER])
        store.cached.add("a", [ONE])

    with JobStore(tmp_path / "jobs.sqlite") as store:
        assert store.cached.among("a", [ONE, OTHER]) == {ONE, OTHER}
        assert store.cached.among("b", [ONE, OTHER]) == frozenset()
        store.cached.forget("a", [ONE])
        assert store.cached.among("a", [ONE, OTHER]) == {OTHER}
