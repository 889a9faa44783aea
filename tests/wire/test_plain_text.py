"""Words from outside, in a line of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.plain_text import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", "a b"),
        ("a\n  b\r\nc", "a b c"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\ud800ä漢", "\\ud800ä漢"),
        ("\u202egnp", "\\u202egnp"),
        ("x" * 301, "x" * 300 + "…"),
    ],
    ids=ascii,
)
def test_a_text_is_shown_without_what_steers_a_terminal(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.text(st.characters()), st.integers(1, 50))
def test_any_text_becomes_one_line(text: str, longest: int) -> None:
    line = one_line(text, longest)

    assert line.isprintable()
    assert len(line) <= longest + 1
    assert one_line(line, longest + 1) == line.strip()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\n\tb", "a\n\tb"),
        ("a\r\nb", "a\\r\nb"),
        ("\x1b]0;title\x07\x9b2J", "\\x1b]0;title\\x07\\x9b2J"),
        ("ä 漢 🙂", "ä 漢 🙂"),
    ],
    ids=ascii,
)
def test_a_text_keeps_its_lines_and_nothing_else_that_steers_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
