"""What the page does to a text before it sends it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from client.workflow.node import PageNode
from client.workflow.texts import as_text, chosen, replaced
from client.workflow.widgets import UNSET, Widget

NOW = datetime(2026, 1, 5, 9, 7, 3, tzinfo=UTC)
SIZE = PageNode(
    "5", "EmptyImage", title="Canvas", widgets=[Widget("width", "INT", 64), Widget("name", "STRING", "a/b")]
)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("a {red|green} cat", "a red cat", "a green cat"),
        ("{a|{b|c}}", "a", "c"),
        ("{x}", "x", "x"),
        (r"\{a|b\}", "{a|b}", "{a|b}"),
        ("{a|b", "a", "b"),
        ("one // note", "one ", "one "),
        ("one /* note */ two", "one  two", "one  two"),
        (r"a \\ b", r"a \\ b", r"a \\ b"),
    ],
)
def test_one_of_the_choices_is_sent(text: str, first: str, last: str) -> None:
    assert (chosen(text, lambda _: 0), chosen(text, lambda count: count - 1)) == (first, last)


def test_choices_that_are_nested_without_end_come_to_one() -> None:
    assert chosen("{" * 3000, lambda _: 0)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("%date:yyyy-MM-dd%/x", "2026-01-05/x"),
        ("%date:yy M d hh:mm:ss%", "26 1 5 09:07:03"),
        ("%width%", "%width%"),
        ("%EmptyImage.width%", "64"),
        ("%Canvas.width%", "64"),
        ("%EmptyImage.name%", "a_b"),
        ("%EmptyImage.missing% %Nobody.width%", "%EmptyImage.missing% %Nobody.width%"),
        ("100%", "100%"),
    ],
)
def test_a_placeholder_becomes_what_it_stands_for(text: str, becomes: str) -> None:
    assert replaced(text, [SIZE], NOW) == becomes


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (2.0, "2"), (0.5, "0.5"), (None, ""), (UNSET, "")])
def test_values_are_written_as_javascript_writes_them(value: Any, text: str) -> None:
    assert as_text(value) == text
