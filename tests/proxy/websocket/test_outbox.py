"""What waits for one browser."""

import asyncio

import pytest

from proxy.websocket.outbox import BrowserOutbox

MIB = "x" * 1_000_000


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def outbox(calls: list[str]) -> BrowserOutbox:
    return BrowserOutbox(lambda: calls.append("overfull"))


async def waiting(outbox: BrowserOutbox) -> list[str | bytes]:
    """Everything that waits."""
    outbox.put("last")
    found = [await outbox.get()]
    while found[-1] != "last":
        found.append(await outbox.get())
    return found[:-1]


async def test_texts_and_frames_come_out_in_their_order(outbox: BrowserOutbox) -> None:
    for payload in ("a", b"b", "c"):
        outbox.put(payload)

    assert await waiting(outbox) == ["a", b"b", "c"]


async def test_whoever_waits_gets_what_comes_next(outbox: BrowserOutbox) -> None:
    asked = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put("a")

    assert await asked == "a"


async def test_only_previews_are_dropped_while_the_browser_is_slow(outbox: BrowserOutbox) -> None:
    for number in range(40):
        outbox.put(f"{number}")
        outbox.put(b"preview", droppable=True)
    found = await waiting(outbox)

    assert [text for text in found if text != b"preview"] == [str(number) for number in range(40)]
    assert found.count(b"preview") == 8


async def test_previews_pass_again_when_the_browser_has_caught_up(outbox: BrowserOutbox) -> None:
    for _ in range(40):
        outbox.put(b"preview", droppable=True)
    await waiting(outbox)
    outbox.put(b"newest", droppable=True)

    assert await waiting(outbox) == [b"newest"]


async def test_a_browser_that_reads_nothing_is_reported_once_and_costs_no_more_memory(
    outbox: BrowserOutbox, calls: list[str]
) -> None:
    for _ in range(100):
        outbox.put(MIB)
    assert outbox.is_long
    kept = 0
    while kept < 33:
        await outbox.get()
        kept += 1
    outbox.put("never arrives")

    assert calls == ["overfull"]
    assert not outbox.is_long
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(outbox.get(), 0)


async def test_a_browser_that_reads_now_and_then_is_not_given_up(outbox: BrowserOutbox, calls: list[str]) -> None:
    for _ in range(100):
        outbox.put(MIB)
        await outbox.get()

    assert calls == []
