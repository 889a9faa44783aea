"""What a person sees of running jobs."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from client.send.terminal import Terminal
from tests.support.prompts import inverted_image
from wire.comfy import Message, PreviewFrame
from wire.ids import PromptId

A, B = PromptId("a"), PromptId("b")


def terminal(*, bars: bool = False, preview: Path | None = None) -> tuple[Terminal, io.StringIO]:
    text = io.StringIO()
    return Terminal(Console(file=text, force_terminal=bars, width=100), preview), text


def running(node: str) -> Message:
    return Message("executing", {"node": node})


def test_without_bars_there_is_a_line_a_change() -> None:
    shown, text = terminal()
    with shown:
        shown.expect(A, inverted_image(), lambda: None)
        shown.publish(A, None, [running("1"), running("1"), running("2")])

    assert text.getvalue().splitlines() == ["EmptyImage", "Invert Image"]


def test_the_lines_of_several_jobs_are_numbered() -> None:
    shown, text = terminal()
    with shown:
        for prompt_id in (A, B):
            shown.expect(prompt_id, inverted_image(), lambda: None)
        shown.publish(B, None, [running("1")])
        shown.publish(A, None, [running("3")])

    assert text.getvalue().splitlines() == ["[2/2] EmptyImage", "[1/2] Save Image"]


def test_runpods_id_is_said_once_as_soon_as_it_is_known() -> None:
    shown, text = terminal()
    ids = iter([None, "job-u1", "job-u1"])
    with shown:
        shown.expect(A, {}, lambda: next(ids))
        for _ in range(3):
            shown.publish(A, None, [])

    assert text.getvalue().splitlines() == ["job job-u1"]


def test_with_bars_the_node_and_its_steps_are_drawn() -> None:
    shown, text = terminal(bars=True)
    with shown:
        shown.expect(A, inverted_image(), lambda: None)
        shown.publish(A, None, [running("2"), Message("progress", {"value": 3, "max": 8})])

    assert "Invert Image" in text.getvalue()
    assert "3/8" in text.getvalue()


def test_a_text_with_brackets_is_shown_as_it_is() -> None:
    shown, text = terminal()
    shown.notice("warn", "Retrying", "[red]not[/red] a colour")

    assert text.getvalue() == "Retrying: [red]not[/red] a colour\n"


def test_the_newest_preview_is_kept_whole(tmp_path: Path) -> None:
    path = tmp_path / "preview.png"
    shown, text = terminal(preview=path)
    shown.expect(A, {}, lambda: None)
    shown.publish(A, None, [PreviewFrame(b"old", "image/png"), PreviewFrame(b"new", "image/png")])

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    assert text.getvalue() == ""


def test_a_preview_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    shown, text = terminal(preview=tmp_path / "missing" / "preview.png")
    shown.expect(A, {}, lambda: None)
    for _ in range(3):
        shown.publish(A, None, [PreviewFrame(b"x", "image/png")])

    assert text.getvalue().count("cannot be written: No such file or directory") == 1


def test_an_error_is_kept_for_the_end_and_every_message_wakes_who_waits() -> None:
    shown, _ = terminal()
    shown.expect(A, {}, lambda: None)
    before = shown.changed.is_set()
    shown.publish(A, None, [Message("execution_error", {"exception_message": "boom"})])

    assert not before
    assert shown.changed.is_set()
    assert shown.error(A) == "boom"


@pytest.mark.parametrize("kind", ["status", "unheard of"])
def test_a_message_that_says_nothing_of_the_job_prints_nothing(kind: str) -> None:
    shown, text = terminal()
    shown.expect(A, {}, lambda: None)
    shown.publish(A, None, [Message(kind, {})])
    shown.publish_status()

    assert text.getvalue() == ""
