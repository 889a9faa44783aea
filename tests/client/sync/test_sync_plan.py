"""What a sync does with each model."""

import pytest

from client.sync.manifest import Content
from client.sync.sync_plan import EMPTY, There, plan, surplus

A, B = Content(1, "a" * 64), Content(1, "b" * 64)
EMPTY_FILE = Content(0, "e" * 64)


def large(size: int) -> Content:
    return Content(size, "c" * 64)


def test_only_what_is_there_unchanged_is_left_alone() -> None:
    here = {"same": A, "changed": B, "new": A, "vanished": A, "cut": A}
    manifest = {"same": A, "changed": A, "vanished": A, "cut": A, "gone": A}
    sizes = {"same": 1, "changed": 1, "vanished": None, "cut": 0, "gone": 1}
    decided = plan(here, There(manifest, sizes, {}), delete=["gone"])

    assert decided.unchanged == ("same",)
    assert decided.upload == ("changed", "cut", "new", "vanished")
    assert decided.delete == ("gone",)
    assert decided.held == ()


@pytest.mark.parametrize(
    ("here", "sent", "begun", "size", "reason", "settled"),
    [
        (EMPTY_FILE, None, None, None, EMPTY, True),
        (EMPTY_FILE, None, None, 5_000_000, EMPTY, True),
        (EMPTY_FILE, large(5_000_000), None, 5_000_000, EMPTY, True),
        (large(10), large(20), None, 20, "the file there is larger: 20 bytes, and 10 here", False),
        (large(10), None, None, 20, "the file there is larger: 20 bytes, and 10 here", False),
        (large(30), None, None, 20, "there is a file of 20 bytes which this command did not send", False),
        (large(30), large(10), None, 20, "there is a file of 20 bytes which this command did not send", False),
        (large(20), None, None, 20, "there is a file of this size which this command did not send", True),
        (large(30), None, large(10), 20, "there is a file of 20 bytes which this command did not send", False),
        (large(30), None, large(20), 20, None, False),
        (large(30), None, large(20), 5, None, False),
        (large(30), large(20), None, 20, None, False),
        (large(30), None, None, 0, None, False),
        (large(30), None, None, None, None, False),
    ],
)
def test_nothing_is_replaced_that_this_command_did_not_send_or_that_is_larger(
    here: Content, sent: Content | None, begun: Content | None, size: int | None, reason: str | None, settled: bool
) -> None:
    there = There({"a": sent} if sent else {}, {"a": size}, {"a": begun} if begun else {})
    decided, forced = plan({"a": here}, there), plan({"a": here}, there, overwrite=True)

    assert [(held.reason, held.settled) for held in decided.held] == ([(reason, settled)] if reason else [])
    assert decided.upload == (() if reason else ("a",))
    assert (forced.upload, forced.held) == (("a",), ())


def test_an_empty_file_that_was_sent_and_is_there_is_unchanged() -> None:
    decided = plan({"a": EMPTY_FILE}, There({"a": EMPTY_FILE}, {"a": 0}, {}))

    assert (decided.unchanged, decided.held) == (("a",), ())


def test_a_file_that_was_changed_there_is_not_deleted() -> None:
    manifest = {"as sent": A, "changed": A, "vanished": A}
    there = There(manifest, {"as sent": 1, "changed": 2, "vanished": None}, {})
    decided, forced = plan({}, there, delete=manifest), plan({}, there, delete=manifest, overwrite=True)

    assert decided.delete == ("as sent", "vanished")
    assert [held.name for held in decided.held] == ["changed"]
    assert forced.delete == ("as sent", "changed", "vanished")


def test_delete_takes_only_what_was_sent_and_is_chosen() -> None:
    there = {"loras/a": A, "loras/b": A, "vae/c": A}

    assert surplus(["loras/a"], there, (), ()) == ["loras/b", "vae/c"]
    assert surplus(["loras/a"], there, ("loras/*",), ()) == ["loras/b"]
    assert surplus(["loras/a"], there, (), ("vae/*",)) == ["loras/b"]


def test_nothing_here_and_nothing_there_is_nothing_to_do() -> None:
    decided = plan({}, There({}, {}, {}))

    assert (decided.upload, decided.unchanged, decided.delete, decided.held) == ((), (), (), ())
