from pathlib import Path

from engine.runpod.sandbox_key import new_sandbox_key, sandbox_key
from tests.support.files import mode


def test_a_new_key_is_made_for_each_start_and_found_by_the_persons_commands(tmp_path: Path) -> None:
    first, second = new_sandbox_key(tmp_path), new_sandbox_key(tmp_path)

    assert first != second
    assert len(second) >= 40
    assert sandbox_key(tmp_path).get_secret_value() == second
    assert second not in repr(sandbox_key(tmp_path))


def test_nobody_else_reads_the_key(tmp_path: Path) -> None:
    new_sandbox_key(tmp_path / "home")

    assert {mode(path) for path in (tmp_path / "home").rglob("*")} == {0o700, 0o600}


def test_an_endpoint_that_accepts_any_key_needs_none_to_be_made(tmp_path: Path) -> None:
    assert sandbox_key(tmp_path).get_secret_value() == "sandbox"
