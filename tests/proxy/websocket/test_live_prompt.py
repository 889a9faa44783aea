"""Which prompt a socket shows."""

import pytest

from proxy.websocket.live_prompt import Live, LivePrompt, Snapshot
from wire.comfy import CustomMessage, Message, PreviewFrame, UnknownFrame


def start(prompt: str) -> Message:
    return Message("execution_start", {"prompt_id": prompt})


def progress(prompt: str, value: int = 1) -> Message:
    return Message("progress_state", {"prompt_id": prompt, "nodes": {"1": {"value": value}}})


def executed(prompt: str) -> Message:
    return Message("executed", {"prompt_id": prompt, "node": "9"})


def end(prompt: str) -> Message:
    return Message("executing", {"node": None, "prompt_id": prompt})


def play(prompts: LivePrompt, *messages: Live, local: bool = False) -> list[Live]:
    return [sent for message in messages for sent in prompts.feed(message, local=local)]


def test_a_single_prompt_is_shown_as_it_comes() -> None:
    story = [start("a"), progress("a"), executed("a"), end("a")]

    assert play(LivePrompt(), *story) == story


def test_the_second_prompt_waits_and_is_introduced_with_its_latest_state() -> None:
    live = LivePrompt()
    play(live, start("a"), start("b"), progress("b", 1), progress("b", 2))

    assert play(live, end("a")) == [end("a"), start("b"), progress("b", 2)]


def test_an_unseen_prompt_delivers_outputs_but_no_progress_and_no_end() -> None:
    live = LivePrompt()
    play(live, start("a"), progress("a"), start("b"))

    assert play(live, progress("b"), executed("b"), end("b")) == [executed("b")]
    assert play(live, end("a")) == [end("a")]


def test_a_remote_end_never_ends_a_local_run() -> None:
    live = LivePrompt()
    play(live, start("local"), local=True)

    assert play(live, start("remote"), end("remote")) == [start("remote"), start("local")]
    assert live.live == "local"


def test_an_unseen_prompt_is_said_to_have_started_and_the_shown_one_is_shown_again() -> None:
    live = LivePrompt()
    play(live, start("a"), progress("a", 1), progress("a", 2))

    assert play(live, start("b")) == [start("b"), start("a"), progress("a", 2)]


def test_a_local_run_waits_for_a_remote_one() -> None:
    live = LivePrompt()
    play(live, start("remote"))
    anonymous = PreviewFrame(image=b"", image_type="image/jpeg")
    begun = play(live, start("local"), local=True)

    assert begun == [start("local"), start("remote")]
    assert play(live, progress("local"), anonymous, local=True) == []
    assert play(live, end("remote")) == [end("remote"), start("local"), progress("local")]


def test_a_lost_comfyui_takes_its_runs_along() -> None:
    live = LivePrompt()
    play(live, start("local"), local=True)
    play(live, start("remote"))

    assert live.end_local() == [end("local"), start("remote")]


def test_a_returning_socket_is_shown_what_runs() -> None:
    snapshot = Snapshot(local=False)
    for message in (start("a"), progress("a", 1), progress("a", 3)):
        snapshot.apply(message)

    assert LivePrompt().add_running("a", snapshot) == [start("a"), progress("a", 3)]


def test_an_error_of_a_prompt_that_never_started_is_shown() -> None:
    error = Message("execution_error", {"prompt_id": "x", "node_id": ""})

    assert play(LivePrompt(), error, end("x")) == [error, end("x")]


@pytest.mark.parametrize(
    "message",
    [
        CustomMessage("cm-queue-status", {"status": "in_progress"}),
        CustomMessage("a list", [1, 2]),
        UnknownFrame(b"abc"),
        Message("logs", {"entries": []}),
        Message("notification", {"value": "text"}),
    ],
    ids=str,
)
def test_what_local_nodes_say_passes_while_a_remote_prompt_is_shown(message: Live) -> None:
    live = LivePrompt()
    play(live, start("remote"))

    assert play(live, message, local=True) == [message]
    assert play(live, message) == [message]


@pytest.mark.parametrize("kind", ["progress", "executing", "progress_state", "executed", "execution_error"])
def test_what_would_be_drawn_over_the_shown_prompt_is_held_back(kind: str) -> None:
    live = LivePrompt()
    play(live, start("remote"))

    assert play(live, Message(kind, {"node": "1"}), local=True) == []


def test_what_the_endpoint_may_lack_for_a_waiting_prompt_is_told_while_another_is_shown() -> None:
    live = LivePrompt()
    play(live, start("a"))
    told = Message("runpod.remedies", {"prompt_id": "b", "refused": False})

    assert play(live, told) == [told]
