"""Merged bodies of /queue and /history."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.model.job import Entry, StoredJob
from engine.model.states import JobState
from engine.views.history import Window, complete_entry, history_page, merged_history, merged_queue
from wire.ids import PromptId

EXTRA = {"create_time": 10, "extra_pnginfo": {"workflow": {"id": "wf"}}}
SEED = 18446744073709551615
ENTRY = {"outputs": {"3": {"images": []}}, "status": {"status_str": "success", "completed": True, "messages": []}}
ALL = Window()


def stored(prompt_id: str, state: JobState = JobState.PENDING, completion: int | None = None) -> StoredJob:
    prompt = json.dumps({"1": {"inputs": {"seed": SEED}}})
    entry = json.dumps({**ENTRY, "meta": {}})
    return StoredJob(PromptId(prompt_id), state, 3.0, completion, prompt, json.dumps(EXTRA), '["1"]', entry)


def local(number: int) -> dict[str, Any]:
    return {"prompt": [number, "x", {}, {}, []], **ENTRY}


def history(
    upstream: dict[str, Any], places: dict[str, int], ours: list[StoredJob], window: Window = ALL
) -> dict[str, Any]:
    page = history_page(places, [(job.completion or 0, job.prompt_id) for job in ours], window)
    body: dict[str, Any] = json.loads(merged_history(upstream, page, {job.prompt_id: job for job in ours}))
    return body


def test_the_queue_holds_local_and_remote_prompts() -> None:
    upstream = {"queue_running": [[0, "local", {}, {}, []]], "queue_pending": []}
    body = json.loads(merged_queue(upstream, [stored("r", JobState.RUNNING), stored("p")]))

    assert [item[1] for item in body["queue_running"]] == ["local", "r"]
    assert body["queue_pending"] == [[3, "p", {"1": {"inputs": {"seed": SEED}}}, EXTRA, ["1"]]]


@pytest.mark.parametrize(
    ("answered", "shown"),
    [
        ([1, "a", {}, {"extra_pnginfo": None, "x": 1}, ["3"]], [[1, "a", {}, {"x": 1}, ["3"]]]),
        ([1, "a", {}, None, ["3"], {"api_key_comfy_org": "s"}], [[1, "a", {}, {}, ["3"]]]),
        ([2.5, "a", {"n": SEED}, {"client_id": "c"}, []], [[2.5, "a", {"n": SEED}, {"client_id": "c"}, []]]),
        ([1, "a", {}], []),
        ("rubbish", []),
        (None, []),
    ],
)
def test_a_malformed_prompt_of_comfyui_is_repaired_or_left_out(answered: object, shown: list[object]) -> None:
    body = json.loads(merged_queue({"queue_pending": [answered, [1, "ok", {}, {}, []]]}, []))

    assert body == {"queue_running": [], "queue_pending": [*shown, [1, "ok", {}, {}, []]]}


def test_history_is_numbered_by_completion_so_that_every_item_is_shown() -> None:
    body = history({"one": local(0), "two": local(0)}, {"one": 5, "two": 9}, [stored("d", JobState.COMPLETED, 7)])

    assert list(body) == ["one", "d", "two"]
    assert [item["prompt"][0] for item in body.values()] == [5, 7, 9]
    assert body["d"]["prompt"][2]["1"]["inputs"]["seed"] == SEED


@pytest.mark.parametrize(
    ("max_items", "offset", "expected"),
    [
        (None, None, ["one", "d", "two"]),
        (None, -1, ["one", "d", "two"]),
        (2, None, ["d", "two"]),
        (2, -1, ["d", "two"]),
        (0, None, []),
        (1, 0, ["one"]),
        (5, 1, ["d", "two"]),
        (1, 9, []),
        (-3, 0, []),
    ],
)
def test_history_is_cut_after_merging(max_items: int | None, offset: int | None, expected: list[str]) -> None:
    ours = [stored("d", JobState.COMPLETED, 7)]
    body = history({"one": local(0), "two": local(1)}, {"one": 5, "two": 9}, ours, Window(max_items, offset))

    assert list(body) == expected


@given(
    local_places=st.sets(st.integers(1, 40)),
    remote_places=st.sets(st.integers(1, 40)),
    max_items=st.none() | st.integers(0, 12),
    offset=st.none() | st.integers(-2, 40),
)
def test_a_page_is_a_slice_of_the_whole_merged_list(
    local_places: set[int], remote_places: set[int], max_items: int | None, offset: int | None
) -> None:
    here = {f"l{place}": place for place in local_places - remote_places}
    ours = [(place, f"r{place}") for place in sorted(remote_places)]
    window = Window(max_items, offset)
    skipped = window.surely_before(len(here))
    rest = window.without(skipped)
    near = ours[skipped:][: rest.reach] if rest.from_oldest else ours[-rest.reach :] if rest.reach else []

    everything = sorted([*ours, *((place, name) for name, place in here.items())])
    assert history_page(here, near, rest) == window.cut(everything)


@pytest.mark.parametrize(
    "item",
    [
        {"prompt": [0, "a", {}, {}, []], "outputs": {}, "status": None},
        {"prompt": [0, "a", {}, {"extra_pnginfo": None}, []], "outputs": None},
        {"prompt": None, "status": {"status_str": None, "messages": None}},
        None,
    ],
)
def test_a_history_item_of_comfyui_is_never_without_status(item: object) -> None:
    (shown,) = history({"a": item}, {"a": 4}, []).values()

    assert shown["prompt"] == [4, "a", {}, {}, []]
    assert shown["outputs"] == {}
    assert shown["status"] == {"status_str": "error", "completed": False, "messages": []}


def test_an_entry_without_status_gets_the_one_of_its_end() -> None:
    entry = complete_entry(Entry(outputs={"1": {}}), completed=True)

    assert entry == Entry({"1": {}}, {"status_str": "success", "completed": True, "messages": []})
