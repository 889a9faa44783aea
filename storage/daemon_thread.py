"""Work that blocks for a long time, in a thread that does not keep the program from ending."""

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any


async def in_daemon_thread[T](work: Callable[[], T], name: str) -> T:
    """The result of *work*. Whoever waits for it can be cancelled; the thread then goes on by itself.

    asyncio.to_thread is for short work: the program waits for its threads before it ends.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  it is raised where it is waited for
            _tell(loop, partial(_settle, answer, answer.set_exception, error))
        else:
            _tell(loop, partial(_settle, answer, answer.set_result, result))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer


def _settle[T](answer: asyncio.Future[Any], settle: Callable[[T], None], outcome: T) -> None:
    if not answer.done():  # nobody waits any more
        settle(outcome)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the program has ended meanwhile
        return
