"""The limit of a process, in processes of their own."""

import subprocess
import sys

import pytest

from proxy.descriptors import descriptors

resource = pytest.importorskip("resource", reason="Windows has no such limit")

_TELL = """
import resource
from proxy.descriptors import descriptors, raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE), descriptors())
"""


def told(soft: int, hard: int) -> list[int]:
    command = [sys.executable, "-c", _TELL.format(soft=soft, hard=hard)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [int(number) for number in answer.split()]


@pytest.mark.parametrize(("soft", "hard"), [(256, 1024), (1024, 1024), (300, 4096)])
def test_the_soft_limit_becomes_the_hard_one(soft: int, hard: int) -> None:
    assert told(soft, hard) == [hard, hard, hard]


def test_it_is_never_lowered_and_no_more_than_enough_counts() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    assert told(soft, hard)[0] >= soft
    assert 0 < descriptors() <= 65_536
