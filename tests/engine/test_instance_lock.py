from pathlib import Path

import pytest

from engine.errors import CannotStart
from engine.instance_lock import instance_lock


def test_two_proxies_do_not_run_the_same_jobs(tmp_path: Path) -> None:
    home = tmp_path / "home"

    with (
        instance_lock(home),
        pytest.raises(CannotStart, match=f"^COMFY_RUNPOD_HOME={home}: another proxy"),
        instance_lock(home),
    ):
        pytest.fail("claimed twice")
    with instance_lock(home):
        pass
