"""One prompt in a ComfyUI process: what is delivered, what ends it, and how it leaves when it is cancelled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.worker.comfyui.conftest import launched
from wire.changes import Change
from wire.events import (
    NodeOutput,
    NodeWaits,
    PromptChanged,
    PromptFailed,
    PromptFinished,
    WorkerEvent,
    WorkerState,
)
from wire.job import JobRequest
from worker.comfyui.client import ComfyClient, ComfyUnreachable, PromptRefused
from worker.comfyui.execution import Execution, PromptVanished, Waits
from worker.comfyui.launch import ComfyLaunch
from worker.comfyui.process import ComfyUIDied
from worker.comfyui.turns import Turns
from worker.settings import WorkerSettings

WAITS = Waits(silence_s=0.1, reconnect_s=0.05, history_s=0.5, history_poll_s=0.01, answer_s=1.0)
SLOW = {"1": {"class_type": "Slow", "inputs": {}}}
BLOCKING = {"1": {"class_type": "Blocking", "inputs": {"seconds": 600}}}


def node(name: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": name, "inputs": inputs}


class Prompt:
    """An execution, and the events that it delivered."""

    def __init__(self, launch: ComfyLaunch, http: aiohttp.ClientSession, workflow: dict[str, Any], name: str) -> None:
        self.comfy = ComfyClient(launch.url, http)
        self.events: list[WorkerEvent] = []
        request = JobRequest(workflow=workflow)
        self.execution = Execution(request, name, f"client-{name}", self.comfy, launch.process, self._deliver, WAITS)

    async def _deliver(self, event: WorkerEvent) -> None:
        self.events.append(event)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.005)

    async def until_running(self) -> None:
        async with asyncio.timeout(60):
            while not (await self.comfy.queue()).running:
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def cancelled_after(self, kind: str) -> AsyncIterator[None]:
        """The execution runs until the event *kind*, then its task is cancelled."""
        task = asyncio.create_task(self.execution.run())
        await self.until(lambda: kind in self.kinds())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        yield


@pytest.fixture
async def prompt(comfyui: ComfyLaunch, request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Prompt]]:
    async with aiohttp.ClientSession() as http:
        await comfyui.process.wait_ready(ComfyClient(comfyui.url, http).answers)
        yield lambda workflow, name="": Prompt(comfyui, http, workflow, request.node.name + name)


Make = Callable[..., Prompt]


async def test_events_are_delivered_in_order(prompt: Make) -> None:
    one = prompt({"1": node("Text", size=3)})

    await one.execution.run()

    assert one.kinds() == ["prompt_started", "node_started", "node_output", "prompt_finished"]


async def test_a_lost_websocket_loses_no_output(prompt: Make) -> None:
    one = prompt({"1": node("DropSocket"), "2": node("Text", size=3)})

    await one.execution.run()

    assert [event.node for event in one.events if isinstance(event, NodeOutput)] == ["2"]
    assert isinstance(one.events[-1], PromptFinished)


async def test_a_lost_end_is_noticed_when_nothing_comes_any_more(prompt: Make) -> None:
    one = prompt({"1": node("LoseEnd"), "2": node("Text", size=3)})

    await asyncio.wait_for(one.execution.run(), 60)

    assert [event.node for event in one.events if isinstance(event, NodeOutput)] == ["2"]
    assert isinstance(one.events[-1], PromptFinished)


async def test_a_custom_node_that_sends_all_the_time_does_not_hide_a_lost_end(tmp_path: Path) -> None:
    launch = launched(tmp_path)
    try:
        async with aiohttp.ClientSession() as http:
            await launch.process.wait_ready(ComfyClient(launch.url, http).answers)
            one = Prompt(launch, http, {"1": node("Monitor"), "2": node("LoseEnd"), "3": node("Text", size=3)}, "p")
            await asyncio.wait_for(one.execution.run(), 60)
            loading = {"1": node("Log", lines=["Requested to load SDXL"]), "2": node("Sleep", seconds=0.5)}
            two = Prompt(launch, http, loading, "q")
            await asyncio.wait_for(two.execution.run(), 60)
    finally:
        launch.process.stop()

    assert isinstance(one.events[-1], PromptFinished)
    assert WorkerState(phase="loading", message="Loading SDXL") in two.events


async def test_what_comfyui_loads_is_said_once_while_it_is_silent(prompt: Make) -> None:
    one = prompt({"1": node("Log", lines=["Requested to load SDXL"]), "2": node("Sleep", seconds=0.5)})

    await one.execution.run()

    assert [event.message for event in one.events if isinstance(event, WorkerState)] == ["Loading SDXL"]


@pytest.mark.parametrize(
    ("meta", "title"), [({"title": "Choose one"}, "Choose one"), ({"title": 5}, "Ask"), ([], "Ask"), (None, "Ask")]
)
async def test_a_node_that_asks_and_then_does_nothing_is_said_to_wait(prompt: Make, meta: Any, title: str) -> None:
    one = prompt({"5": {**node("Ask"), "_meta": meta}})
    task = asyncio.create_task(one.execution.run())
    await one.until(lambda: "node_waits" in one.kinds())
    await one.comfy.deliver("/chooser/answer", "text/plain", b"the first")
    await asyncio.wait_for(task, 60)

    (waits,) = [event for event in one.events if isinstance(event, NodeWaits)]
    assert (waits.node, waits.title) == ("5", title)
    assert one.kinds().index("node_message") < one.kinds().index("node_waits")
    assert isinstance(one.events[-1], PromptFinished)


async def test_a_node_that_says_something_and_then_computes_does_not_wait(prompt: Make) -> None:
    one = prompt({"5": node("Work", seconds=3 * WAITS.answer_s)})

    await one.execution.run()

    assert "node_message" in one.kinds()
    assert "node_waits" not in one.kinds()


async def test_a_prompt_that_comfyui_forgot_does_not_hang(prompt: Make) -> None:
    one = prompt({"1": node("Vanish")})

    with pytest.raises(PromptVanished, match="neither queued nor in the history"):
        await one.execution.run()


async def test_a_refused_prompt_names_every_unknown_node_and_the_nearest_names(prompt: Make) -> None:
    one = prompt({"1": node("Unknown"), "2": node("FromMars")})

    with pytest.raises(PromptRefused) as caught:
        await one.execution.run()

    assert caught.value.error["type"] == "invalid_prompt"
    assert caught.value.node_errors["2"]["errors"][0]["type"] == "missing_node_type"
    await one.execution.withdraw(Turns())  # there is nothing to withdraw


async def test_the_part_that_comfyui_refused_is_in_the_ending(prompt: Make) -> None:
    one = prompt({"1": node("Refused"), "2": node("Text", size=3)})

    await one.execution.run()

    ending = one.events[-1]
    assert isinstance(ending, PromptFinished)
    assert list(ending.node_errors) == ["1"]


async def test_a_comfyui_that_dies_with_the_prompt_is_named(tmp_path: Path) -> None:
    launch = launched(tmp_path)
    try:
        async with aiohttp.ClientSession() as http:
            await launch.process.wait_ready(ComfyClient(launch.url, http).answers)
            one = Prompt(launch, http, {"4": node("Die")}, "p")
            with pytest.raises(ComfyUIDied) as caught:
                await one.execution.run()
            await one.execution.withdraw(Turns())  # the prompt is gone with its ComfyUI
    finally:
        launch.process.stop()

    assert str(caught.value) == "ComfyUI ended with exit status 3. It was running the prompt."
    assert one.execution.running_node == {"id": "4", "class_type": "Die"}


async def test_a_comfyui_that_cannot_be_reached_gets_no_prompt(tmp_path: Path) -> None:
    settings = WorkerSettings(comfyui_home=tmp_path, worker_data_dir=tmp_path, comfyui_port=0)
    async with aiohttp.ClientSession() as http:
        one = Prompt(ComfyLaunch(settings), http, {"1": node("Text", size=3)}, "p")

        with pytest.raises(ComfyUnreachable):
            await one.execution.run()

    assert one.events == []


@pytest.mark.parametrize("name", ["Slow", "Deaf"])
async def test_a_withdrawn_prompt_has_left_comfyui(prompt: Make, name: str) -> None:
    one = prompt({"1": node(name)})

    async with one.cancelled_after("node_started"):
        await one.execution.withdraw(Turns())

    assert (await one.comfy.history(one.execution.prompt_id) or {})["status"]["status_str"] == "error"
    assert not await one.comfy.is_queued(one.execution.prompt_id)


async def test_a_prompt_that_ended_is_not_withdrawn(prompt: Make, comfyui: ComfyLaunch) -> None:
    one = prompt({"1": node("Text", size=3)})
    await one.execution.run()

    async with asyncio.timeout(1):
        await one.execution.withdraw(Turns(0, 0))

    assert comfyui.process.deaths == 0


async def test_a_prompt_that_does_not_leave_in_time_ends_its_comfyui_and_the_next_one_is_started(
    tmp_path: Path,
) -> None:
    launch = launched(tmp_path)
    try:
        async with aiohttp.ClientSession() as http:
            comfy = ComfyClient(launch.url, http)
            await launch.process.wait_ready(comfy.answers)
            one = Prompt(launch, http, BLOCKING, "p")
            async with one.cancelled_after("node_started"):
                await one.execution.withdraw(Turns(0.1, 0.1))
            deaths = launch.process.deaths
            await launch.process.wait_ready(comfy.answers)
            two = Prompt(launch, http, {"1": node("Text", size=3)}, "q")
            await two.execution.run()
            await one.execution.withdraw(Turns(0.1, 0.1))  # the second ComfyUI is not the one to be ended
            said = launch.process.last_death()
    finally:
        launch.process.stop()

    assert deaths == 1
    assert said == "ComfyUI was ended: it did not let go of a cancelled prompt"
    assert isinstance(two.events[-1], PromptFinished)


def texts(one: Prompt) -> list[Any]:
    return [event.output for event in one.events if isinstance(event, NodeOutput)]


@pytest.mark.parametrize("alone", [False, True], ids=["with messages", "without a message"])
async def test_prompts_that_a_node_queues_are_followed_to_the_last(prompt: Make, *, alone: bool) -> None:
    one = prompt({"1": node("Again", times=2, alone=alone)})

    await asyncio.wait_for(one.execution.run(), 60)

    ending = one.events[-1]
    assert texts(one) == [{"text": ["2"]}, {"text": ["1"]}, {"text": ["0"]}]
    assert isinstance(ending, PromptFinished)
    assert ending.history.outputs == {"1": {"text": ["2", "1", "0"]}}
    assert [data["prompt_id"] for _, data in ending.history.status["messages"]] == [one.execution.prompt_id] * 2
    assert one.kinds().count("prompt_finished") == 1


async def test_prompts_that_are_over_before_they_are_asked_for_are_not_lost(prompt: Make) -> None:
    two = node("Again", times=2, alone=True)
    one = prompt({"1": node("LoseEnd"), "2": two, "3": two})

    await asyncio.wait_for(one.execution.run(), 60)

    ending = one.events[-1]
    assert isinstance(ending, PromptFinished)
    assert sorted(ending.history.outputs["2"]["text"]) == sorted(text["text"][0] for text in texts(one)[::2])
    assert len(texts(one)) == len(ending.history.outputs["2"]["text"]) + len(ending.history.outputs["3"]["text"])
    assert (await one.comfy.queue()).pending == []


async def test_a_lost_websocket_does_not_lose_a_prompt_that_follows(prompt: Make) -> None:
    one = prompt({"1": node("DropSocket"), "2": node("Again", times=2)})

    await asyncio.wait_for(one.execution.run(), 60)

    assert texts(one) == [{"text": ["2"]}, {"text": ["1"]}, {"text": ["0"]}]
    assert isinstance(one.events[-1], PromptFinished)


async def test_a_prompt_that_follows_may_be_slow(prompt: Make) -> None:
    one = prompt({"1": node("Again", times=1, **{"with": {"2": node("Sleep", seconds=0.5)}})})

    await asyncio.wait_for(one.execution.run(), 60)

    assert texts(one) == [{"text": ["1"]}, {"text": ["0"]}]


async def test_a_prompt_that_follows_and_fails_makes_the_job_fail_and_what_came_before_is_kept(prompt: Make) -> None:
    fails = {"2": node("Fail", message="the second run failed")}
    one = prompt({"1": node("Again", times=5, **{"with": fails})})

    await asyncio.wait_for(one.execution.run(), 60)
    await one.execution.withdraw(Turns())

    ending = one.events[-1]
    assert isinstance(ending, PromptFailed)
    assert ending.error["exception_message"] == "the second run failed"
    assert ending.history.outputs == {"1": {"text": ["5", "4"]}}
    assert not await one.comfy.drop_all()  # what the failed one had queued is gone as well


async def test_a_comfyui_that_dies_in_a_prompt_that_follows_is_named(tmp_path: Path) -> None:
    launch = launched(tmp_path)
    try:
        async with aiohttp.ClientSession() as http:
            await launch.process.wait_ready(ComfyClient(launch.url, http).answers)
            one = Prompt(launch, http, {"1": node("Again", times=1, **{"with": {"2": node("Die")}})}, "p")
            with pytest.raises(ComfyUIDied):
                await one.execution.run()
    finally:
        launch.process.stop()

    assert texts(one)[0] == {"text": ["1"]}


async def test_a_withdrawn_prompt_takes_all_that_follow_with_it(prompt: Make) -> None:
    one = prompt({"1": node("Again", times=1, **{"with": {"2": node("Again", times=50), "3": node("Deaf")}})})

    task = asyncio.create_task(one.execution.run())
    await one.until(lambda: one.kinds().count("node_started") == 4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await one.execution.withdraw(Turns())

    queue = await one.comfy.queue()
    assert (queue.running, queue.pending) == ([], [])


async def test_what_an_earlier_job_has_queued_after_its_end_is_not_run_for_the_next(prompt: Make) -> None:
    stray = prompt({"1": node("Stray"), "2": node("Text", size=1)})
    await stray.execution.run()
    await stray.until_running()
    one = prompt({"1": node("Text", size=3)})

    await asyncio.wait_for(one.execution.run(), 60)

    assert texts(one) == [{"text": ["ééé"]}]
    assert isinstance(one.events[-1], PromptFinished)


async def test_a_prompt_that_ran_before_under_the_same_id_is_not_taken_for_this_one(prompt: Make) -> None:
    first, between, again = (prompt({"1": node("Text", size=1)}, name) for name in ("", "-between", ""))

    for one in (first, between, again):
        await asyncio.wait_for(one.execution.run(), 60)

    assert texts(again) == [{"text": ["é"]}]


async def test_what_custom_nodes_changed_in_the_prompt_is_delivered_once(prompt: Make) -> None:
    one = prompt({"1": node("Wild", text="__animal__")})

    await one.execution.run()

    changes = [event for event in one.events if isinstance(event, PromptChanged)]
    assert changes == [PromptChanged(prompt=(Change(path=("1", "inputs", "text"), value="populated"),))]
