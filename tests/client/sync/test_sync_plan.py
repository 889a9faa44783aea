"""What a sync does with each model."""

from client.sync.manifest import Content
from client.sync.sync_plan import plan, surplus

A, B = Content(1, "a" * 64), Content(1, "b" * 64)


def test_only_what_is_there_unchanged_is_left_alone() -> None:
    here = {"same": A, "changed": B, "new": A, "vanished": A, "cut": A}
    there = {"same": A, "changed": A, "vanished": A, "cut": A, "gone": A}
    decided = plan(here, there, {"same": 1, "changed": 1, "vanished": None, "cut": 0}, delete=["gone"])

    assert decided.unchanged == ("same",)
    assert decided.upload == ("changed", "cut", "new", "vanished")
    assert decided.delete == ("gone",)


def test_delete_takes_only_what_was_sent_and_is_chosen() -> None:
    there = {"loras/a": A, "loras/b": A, "vae/c": A}

    assert surplus(["loras/a"], there, (), ()) == ["loras/b", "vae/c"]
    assert surplus(["loras/a"], there, ("loras/*",), ()) == ["loras/b"]
    assert surplus(["loras/a"], there, (), ("vae/*",)) == ["loras/b"]


def test_nothing_here_and_nothing_there_is_nothing_to_do() -> None:
    decided = plan({}, {}, {}, delete=())

    assert (decided.upload, decided.unchanged, decided.delete) == ((), (), ())
