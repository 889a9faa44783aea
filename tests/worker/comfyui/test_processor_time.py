"""Processor time of a process, as Linux counts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from worker.comfyui.processor_time import processor_seconds

BURN = "import time; t = time.process_time()\nwhile time.process_time() < t + 0.3: pass"


def stat(proc: Path, pid: int, parent: int, *used: int, name: str = "python") -> None:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "stat").write_text(f"{pid} ({name}) S {parent} {' '.join('0' * 9)} {' '.join(map(str, used))} 0")


def test_children_count_also_those_that_have_ended(tmp_path: Path) -> None:
    tick = os.sysconf("SC_CLK_TCK")
    stat(tmp_path, 10, 1, 1 * tick, 2 * tick, 3 * tick, 4 * tick, name="a) b (c")
    stat(tmp_path, 11, 10, 5 * tick, 0, 0, 0)
    stat(tmp_path, 12, 11, 6 * tick, 0, 0, 0)
    stat(tmp_path, 13, 1, 70 * tick, 0, 0, 0)

    assert processor_seconds(10, tmp_path) == 21.0


def test_nobody_knows_of_a_process_that_is_not_there(tmp_path: Path) -> None:
    assert processor_seconds(10, tmp_path) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux has /proc")
def test_a_process_that_computes_uses_time() -> None:
    before = processor_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", BURN], check=True)
    after = processor_seconds(os.getpid())

    assert before is not None
    assert after is not None
    assert after - before >= 0.3
