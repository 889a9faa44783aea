"""The history's routes, hook by hook; the merged history through real sockets is in test_lists.py."""

import pytest

from engine.model.states import JobState
from proxy.addons.history import History
from tests.proxy.addons.conftest import Desk
from tests.support.flows import answer, answered, asked

COMPLETED = (JobState.SUBMITTING, JobState.QUEUED, JobState.COMPLETED)


@pytest.fixture
def history(desk: Desk) -> History:
    """`first` and `second` have ended, `waits` waits."""
    desk.add("first", *COMPLETED)
    desk.add("second", *COMPLETED)
    desk.add("waits")
    return History(desk.store)


def ended(desk: Desk) -> list[str]:
    return [prompt_id for prompt_id in ("first", "second", "waits") if desk.store.lists.stored([prompt_id])]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ({"delete": ["first"]}, ["second"]),
        ({"delete": ["first", "unknown", 5, None]}, ["second"]),
        ({"clear": True}, []),
        ({"clear": False}, ["first", "second"]),
        ({"delete": None}, ["first", "second"]),
        (b"not JSON", ["first", "second"]),
    ],
)
@pytest.mark.parametrize("path", ["/history", "/api/history"])
def test_what_is_taken_out_is_gone_and_comfyui_hears_of_it_too(
    desk: Desk, history: History, path: str, body: object, left: list[str]
) -> None:
    flow = asked("POST", path, body)
    history.request(flow)

    assert ended(desk) == left
    assert desk.store.find("waits") is not None
    assert flow.response is None


@pytest.mark.parametrize(
    ("path", "asks_for"),
    [
        ("/history", "/history"),
        ("/history?max_items=2", "/history?max_items=2"),
        ("/history?max_items=2&offset=1", "/history"),
        ("/api/history?offset=0&x=1", "/api/history?x=1"),
        ("/history?max_items=x", "/history?max_items=x"),
    ],
)
def test_with_an_offset_comfyui_is_asked_for_its_whole_history(history: History, path: str, asks_for: str) -> None:
    flow = asked("GET", path)
    history.request(flow)

    assert flow.request.path == asks_for
    assert flow.response is None


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["first", "second", "local"]),
        ("?max_items=2", ["second", "local"]),
        ("?max_items=0", []),
        ("?max_items=1&offset=0", ["first"]),
        ("?offset=1", ["second", "local"]),
        ("?max_items=99999999999999999999", ["first", "second", "local"]),
    ],
)
def test_the_history_is_one_order_over_both(history: History, query: str, shown: list[str]) -> None:
    flow = asked("GET", f"/history{query}")
    history.request(flow)
    history.response(answered(flow, {"local": {"prompt": [0, "local", {}, {}, []], "outputs": {}, "status": None}}))
    status, body = answer(flow)

    assert status == 200
    assert list(body) == shown
    numbers = [item["prompt"][0] for item in body.values()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(("prompt_id", "found"), [("first", ["first"]), ("waits", [])])
def test_an_item_of_ours_is_answered_here(history: History, prompt_id: str, found: list[str]) -> None:
    flow = asked("GET", f"/history/{prompt_id}")
    history.request(flow)
    status, body = answer(flow)

    assert status == 200
    assert list(body) == found


def test_an_item_of_comfyui_gets_its_number_of_the_common_order(history: History) -> None:
    flow = asked("GET", "/history/local")
    history.request(flow)
    assert flow.response is None
    history.response(answered(flow, {"local": {"prompt": [0, "local", {}, {}, []], "outputs": {}}}))

    assert answer(flow)[1]["local"]["prompt"][0] == 3


@pytest.mark.parametrize(("body", "status"), [({"error": "x"}, 500), ([1], 200)])
def test_an_answer_of_another_shape_stays_as_it_is(history: History, body: object, status: int) -> None:
    flow = asked("GET", "/history")
    history.request(flow)
    history.response(answered(flow, body, status))

    assert answer(flow) == (status, body)


def test_other_answers_stay_as_they_are(history: History) -> None:
    flow = asked("GET", "/queue")
    history.request(flow)
    history.response(answered(flow, {"local": 1}))

    assert answer(flow) == (200, {"local": 1})
