"""Lists over SQLite on disk."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.job import Entry, Submission
from engine.model.states import JobState
from engine.store.jobs import JobStore
from engine.views.history import Window, history_page
from engine.views.jobs import JobsQuery, jobs_page
from tests.support.jobs import submitted
from wire.ids import PromptId

SEED = 18446744073709551615


def add(store: JobStore, name: str, created_ms: int = 1, workflow: str | None = None) -> PromptId:
    info = {} if workflow is None else {"extra_pnginfo": {"workflow": {"id": workflow}}}
    prompt_id = PromptId(name)
    store.add(Submission(prompt_id, {"1": {"inputs": {"seed": SEED}}}, info, ("1",)), created_ms)
    return prompt_id


def end(store: JobStore, prompt_id: PromptId, state: JobState = JobState.COMPLETED, took_ms: int = 0) -> None:
    messages = [["execution_start", {"timestamp": 1}], ["execution_success", {"timestamp": 1 + took_ms}]]
    submitted(store, prompt_id)
    store.move(prompt_id, JobState.RUNNING)
    store.end(prompt_id, state, Entry(status={"messages": messages}), 9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    with JobStore(tmp_path / "jobs.sqlite") as opened:
        yield opened


def test_the_queue_has_documents_as_they_are_stored(store: JobStore) -> None:
    add(store, "b")
    store.add(Submission(PromptId("a"), {"ü": SEED}, {}, ("1",), front=True), 2)
    end(store, add(store, "ended"))
    first, second = store.lists.queue()

    assert (first.prompt_id, second.prompt_id) == ("a", "b")
    assert json.loads(first.prompt) == {"ü": SEED}
    assert first.state is JobState.PENDING


def test_history_holds_what_has_an_entry(store: JobStore) -> None:
    end(store, add(store, "a"))
    store.end(add(store, "deleted"), JobState.CANCELLED, None, 2)
    add(store, "pending")

    assert [name for _, name in store.lists.places(Window())] == ["a"]
    assert set(store.lists.stored(["a", "deleted", "pending", "unknown"])) == {"a"}


def test_a_view_follows_the_job_until_it_ends(store: JobStore) -> None:
    prompt_id = add(store, "a", workflow="w")
    waiting = json.loads(store.lists.views([prompt_id])[prompt_id])
    end(store, prompt_id, JobState.FAILED, took_ms=5)
    ended = json.loads(store.lists.views([prompt_id])[prompt_id])

    assert (waiting["status"], waiting["workflow_id"]) == ("pending", "w")
    assert (ended["status"], ended["workflow_id"]) == ("failed", "w")
    assert ended["execution_end_time"] - ended["execution_start_time"] == 5


def test_the_newest_are_those_of_the_queue_and_then_of_the_history(store: JobStore) -> None:
    for name in ("a", "b", "c", "d"):
        add(store, name)
    for name in ("b", "a"):
        end(store, PromptId(name))
    everything = frozenset(JobState)

    assert [job.prompt_id for job in store.lists.newest(everything, 10)] == ["d", "c", "a", "b"]
    assert [job.prompt_id for job in store.lists.newest(everything, 3)] == ["d", "c", "a"]
    assert [job.prompt_id for job in store.lists.newest(frozenset({JobState.COMPLETED}), 1)] == ["a"]


def test_jobs_that_need_a_look_are_listed_apart(store: JobStore) -> None:
    for name in ("a", "b"):
        submitted(store, add(store, name))
    store.update(PromptId("a"), attention="RunPod refused the key")
    everything = frozenset(JobState)

    assert [job.prompt_id for job in store.lists.newest(everything, 9, attention=True)] == ["a"]
    assert [job.prompt_id for job in store.lists.newest(everything, 9, attention=False)] == ["b"]
    assert store.lists.newest(everything, 9, attention=True)[0].attention == "RunPod refused the key"


KINDS = st.tuples(st.sampled_from(["pending", "completed", "failed"]), st.integers(1, 4), st.integers(0, 3))
QUERIES = st.builds(
    JobsQuery,
    statuses=st.sampled_from([frozenset({"pending"}), frozenset({"completed", "failed"}), JobsQuery().statuses]),
    by_duration=st.booleans(),
    descending=st.booleans(),
    limit=st.none() | st.integers(1, 5),
    offset=st.integers(0, 8),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ours=st.lists(KINDS, max_size=7), local=st.lists(KINDS, max_size=3), query=QUERIES)
def test_a_page_of_jobs_is_a_slice_of_the_whole_merged_list(
    tmp_path_factory: pytest.TempPathFactory,
    ours: list[tuple[str, int, int]],
    local: list[tuple[str, int, int]],
    query: JobsQuery,
) -> None:
    answered = [
        {"id": f"l{n}", "status": status, "create_time": created, "execution_start_time": 0, "execution_end_time": took}
        for n, (status, created, took) in enumerate(local)
    ]
    with JobStore(tmp_path_factory.mktemp("jobs") / "jobs.sqlite") as store:
        for n, (status, created, took) in enumerate(ours):
            prompt_id = add(store, f"r{n}", created)
            if status != "pending":
                end(store, prompt_id, JobState(status), took)
        page = jobs_page(answered, store.lists.listed(query, len(answered)), query)
        whole_query = replace(query, offset=0, limit=None)
        whole = jobs_page(answered, store.lists.listed(whole_query, len(answered)), whole_query)

        assert page.jobs == whole.jobs[query.offset : query.reach]
        assert page.total == whole.total == len(whole.jobs)
        assert len(whole.jobs) == sum(status in query.statuses for status, _, _ in [*ours, *local])


@pytest.mark.parametrize("window", [Window(2), Window(2, 3), Window(2, 40), Window(None, 4), Window(2**70, 2**70)])
def test_a_window_of_the_history_loads_no_more_than_it_can_hold(store: JobStore, window: Window) -> None:
    store.completions.positions(["l0", "l1"])
    for n in range(8):
        end(store, add(store, f"r{n}"))
    local = store.completions.positions(["l0", "l1", "l2"])
    skipped = window.surely_before(len(local))
    rest = window.without(skipped)
    found = store.lists.places(rest, skipped)
    whole = history_page(local, store.lists.places(Window()), Window())

    assert history_page(local, found, rest) == window.cut(whole)
    assert window.max_items is None or len(found) <= window.max_items + len(local)
