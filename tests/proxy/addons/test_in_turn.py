"""Long lists, one after the other."""

import asyncio

import pytest
from mitmproxy import http
from mitmproxy.flow import Error

from proxy.addons.in_turn import AT_ONCE, TURN_MAX_S, InTurn
from tests.support.flows import asked

LONG = "/history?max_items=64"


async def started(addon: InTurn, flows: list[http.HTTPFlow]) -> list[asyncio.Task[None]]:
    """A task for each, as far as it comes by itself."""
    tasks = [asyncio.create_task(addon.request(flow)) for flow in flows]
    await asyncio.sleep(0)
    return tasks


def come(tasks: list[asyncio.Task[None]]) -> list[bool]:
    return [task.done() for task in tasks]


async def test_some_lists_are_asked_for_and_the_next_ones_when_they_have_come() -> None:
    addon, flows = InTurn(), [asked("GET", LONG) for _ in range(AT_ONCE + 2)]
    tasks = await started(addon, flows)
    first = come(tasks)
    addon.response(flows[0])
    await asyncio.sleep(0)
    second = come(tasks)
    addon.error(flows[1])
    addon.error(flows[1])
    await asyncio.gather(*tasks)

    assert first == [True] * AT_ONCE + [False, False]
    assert second == [True] * (AT_ONCE + 1) + [False]


@pytest.mark.parametrize("line", ["GET /queue", "GET /history/p", "GET /api/jobs/p", "POST /history", "GET /view"])
async def test_nothing_else_waits(line: str) -> None:
    addon, (method, path) = InTurn(), line.split(" ")
    await asyncio.gather(*(addon.request(asked("GET", LONG)) for _ in range(AT_ONCE)))
    tasks = await started(addon, [asked(method, path)])

    assert come(tasks) == [True]


async def test_one_that_left_while_it_waited_keeps_nobody_waiting() -> None:
    addon, flows = InTurn(), [asked("GET", LONG) for _ in range(AT_ONCE + 3)]
    tasks = await started(addon, flows)
    for left in flows[AT_ONCE : AT_ONCE + 2]:
        left.error = Error("left")
        addon.error(left)
    addon.response(flows[0])
    await asyncio.wait_for(asyncio.gather(*tasks), 1)

    assert come(tasks) == [True] * (AT_ONCE + 3)


async def test_a_comfyui_that_says_nothing_holds_nobody_up_for_long() -> None:
    addon = InTurn()
    tasks = await started(addon, [asked("GET", LONG) for _ in range(AT_ONCE + 1)])
    await asyncio.wait_for(asyncio.gather(*tasks), 2 * TURN_MAX_S)

    assert come(tasks) == [True] * (AT_ONCE + 1)
