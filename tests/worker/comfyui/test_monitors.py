"""Messages that come whether a prompt runs or not stay on the worker."""

from pathlib import Path

import pytest

from tests.support.until import until
from tests.worker.conftest import FAKE, Reader, make_app
from wire.events import NodeMessage
from worker.comfyui.monitors import Monitors
from worker.comfyui.turns import Turns


async def test_a_monitor_is_known_when_a_prompt_comes_and_does_not_travel_with_it(tmp_path: Path) -> None:
    turns = Turns()
    app = make_app(FAKE, tmp_path, turns=turns)
    app.start()
    try:
        await Reader(app, {"1": {"class_type": "Monitor", "inputs": {}}}).task
        listener = Monitors(app.comfy_url, turns, quiet_s=0.0)
        listener.listen()

        async def heard() -> set[str]:
            return listener.kinds

        assert await until(heard) == {"crystools.monitor"}
        app.monitors.kinds |= listener.kinds
        second = Reader(app, {"1": {"class_type": "Sleep", "inputs": {"seconds": 0.2}}})
        await second.task
    finally:
        app.stop()

    assert not [event for event in second.events if isinstance(event, NodeMessage)]


@pytest.mark.parametrize(("quiet_s", "idle"), [(0.0, True), (60.0, False)])
async def test_what_is_heard_right_after_a_job_may_be_its_own(quiet_s: float, *, idle: bool) -> None:
    async def nothing() -> None:
        """Nobody waits."""

    turns = Turns()
    async with turns.take(nothing):
        assert not turns.idle_for(0.0)

    assert turns.idle_for(quiet_s) is idle
