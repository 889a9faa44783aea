"""A key that a program prints."""

import os
import shlex
import sys
import time
from pathlib import Path

import pytest

from engine.key_command import CommandFailed, command_words, secret_printed_by

HERE = {"PATH": os.environ["PATH"]}


def python(source: str) -> str:
    return shlex.join([sys.executable, "-c", source])


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("print('rpa_key')", "rpa_key"),
        ("print('  rpa_key \\r\\nsecond line')", "rpa_key"),
        ("import sys; sys.stdout.write('rpa_key')", "rpa_key"),
        ("print('rpa_key'); print('x' * 5_000_000)", "rpa_key"),
        ("import sys; print(sys.stdin.read() + 'rpa_key')", "rpa_key"),
        ("print('')", ""),
        ("pass", ""),
    ],
    ids=["a line", "the first of two", "without an end", "a long rest", "without input", "an empty line", "nothing"],
)
def test_the_first_line_is_the_key(source: str, key: str) -> None:
    assert secret_printed_by(python(source), HERE) == key


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (python("print('rpa_key'); raise SystemExit(3)"), "ended with exit status 3; run it in a terminal"),
        (python("import os; print('rpa_key', flush=True); os.kill(os.getpid(), 9)"), "ended with exit status -9"),
        ("no-such-program show rpa_key", "names a program that does not exist"),
        ("/dev/null rpa_key", "names a program that does not exist"),
    ],
    ids=["an exit status", "killed", "no program", "not a program"],
)
def test_a_failure_is_said_without_what_was_printed(command: str, says: str) -> None:
    with pytest.raises(CommandFailed) as caught:
        secret_printed_by(command, HERE)

    assert str(caught.value).startswith(says)
    assert "rpa_key" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "import time; time.sleep(600)",
        "import sys\nwhile True: sys.stdout.write('y\\n' * 1000)",
        "import subprocess; subprocess.run(['sleep', '600'])",
    ],
    ids=["silent", "endless output", "waiting for a program of its own"],
)
def test_nothing_is_waited_for_without_end(source: str) -> None:
    began = time.monotonic()
    with pytest.raises(CommandFailed, match=r"^did not end within 0\.5 s$"):
        secret_printed_by(python(source), HERE, timeout_s=0.5)

    assert time.monotonic() - began < 60  # not 600


def test_a_program_that_goes_on_in_the_background_is_not_waited_for() -> None:
    source = "import subprocess; print('rpa_key', flush=True); subprocess.Popen(['sleep', '20'])"

    assert secret_printed_by(python(source), HERE, timeout_s=15) == "rpa_key"


def test_there_is_no_shell(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    printed = secret_printed_by(f"echo $HOME `id` ; touch {mark}", HERE)

    assert printed == f"$HOME `id` ; touch {mark}"
    assert not mark.exists()


def test_a_program_of_the_persons_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "key"
    program.write_text("#!/bin/sh\necho rpa_key")
    program.chmod(0o700)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert secret_printed_by("~/key", HERE) == "rpa_key"


@pytest.mark.parametrize("command", ["", "  ", "pass 'show"])
def test_what_is_not_a_command_is_refused(command: str) -> None:
    with pytest.raises(ValueError, match=r"is empty|No closing quotation"):
        command_words(command)
