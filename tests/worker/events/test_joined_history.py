"""The one history entry of a job whose nodes queued further prompts."""

from typing import Any

from wire.events import HistoryEntry
from worker.events.joined_history import joined_history


def history(prompt_id: str, end: str, cached: tuple[str, ...] = (), **outputs: dict[str, Any]) -> HistoryEntry:
    messages: list[list[Any]] = [
        ["execution_start", {"prompt_id": prompt_id, "timestamp": 1}],
        ["execution_cached", {"prompt_id": prompt_id, "nodes": list(cached)}],
        [end, {"prompt_id": prompt_id, "timestamp": 2}],
    ]
    good = end == "execution_success"
    status = {"status_str": "success" if good else "error", "completed": good, "messages": messages}
    return HistoryEntry(outputs=outputs, status=status, meta={node: {"node_id": node} for node in outputs})


def file(name: str) -> dict[str, str]:
    return {"filename": name, "subfolder": "", "type": "output"}


def test_a_prompt_that_nothing_follows_keeps_its_entry() -> None:
    only = history("p", "execution_success", n={"text": ["1"]})

    assert joined_history("p", [only]) == only


def test_no_picture_of_any_prompt_is_lost() -> None:
    first = history("p", "execution_success", n={"images": [file("a")]}, m={"text": ["once"]})
    second = history("q", "execution_success", n={"images": [file("b"), file("c")], "animated": [False]})

    joined = joined_history("p", [first, second])

    assert joined.outputs == {
        "n": {"images": [file("a"), file("b"), file("c")], "animated": [False]},
        "m": {"text": ["once"]},
    }
    assert joined.meta.keys() == {"n", "m"}


def test_what_a_cached_node_shows_again_is_not_repeated() -> None:
    first = history("p", "execution_success", n={"images": [file("a")]})
    second = history("q", "execution_success", ("n", "new"), n={"images": [file("a")]}, new={"text": ["x"]})

    joined = joined_history("p", [first, second])

    assert joined.outputs == {"n": {"images": [file("a")]}, "new": {"text": ["x"]}}


def test_it_begins_with_the_first_prompt_and_ends_with_the_last_under_one_id() -> None:
    first, second = history("p", "execution_success"), history("q", "execution_success")
    third = history("r", "execution_error")

    status = joined_history("p", [first, second, third]).status

    assert [kind for kind, _ in status["messages"]] == ["execution_start", "execution_cached", "execution_error"]
    assert {data["prompt_id"] for _, data in status["messages"]} == {"p"}
    assert (status["status_str"], status["completed"]) == ("error", False)
