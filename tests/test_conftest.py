"""What holds for every run of the tests, however it was started."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import PROJECT
from tests.support.versions import COMFYUIS, told

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


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (COMFYUIS[-1], f"ComfyUI {COMFYUIS[-1]} (COMFYUI_DIR)"),
        ("0.1.2", "ComfyUI 0.1.2 (COMFYUI_DIR) is not in tests/comfyui-versions.txt"),
    ],
)
def test_a_run_says_which_comfyui_it_ran_on_and_whether_that_is_new(tmp_path: Path, version: str, said: str) -> None:
    (tmp_path / "comfyui_version.py").write_text(f'# generated\n__version__ = "{version}"\n')

    assert told(str(tmp_path)).startswith(said)


def test_a_run_without_a_comfyui_says_nothing_and_one_with_a_wrong_folder_says_so(tmp_path: Path) -> None:
    assert told(None) == ""
    assert "is not a ComfyUI" in told(str(tmp_path))
