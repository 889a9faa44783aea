"""What holds for every run of the tests, however it was started."""

import subprocess
import sys

from tests.support.stack import PROJECT

CHILD = "import signal; print(signal.getsignal(signal.SIGINT))"
PROBE = f"""
import tests.conftest, subprocess, sys
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True).stdout)
"""


def test_a_program_that_a_test_starts_hears_ctrl_c_also_in_a_run_in_the_background() -> None:
    background = f"trap '' INT; exec '{sys.executable}' -c \"$0\""
    child = subprocess.run(
        ["sh", "-c", background, PROBE], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )

    assert "default_int_handler" in child.stdout
