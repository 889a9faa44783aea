"""mitmproxy, embedded: which hooks are called in which order, and how it starts and ends."""

import asyncio
import logging

import pytest
from mitmproxy import http, options
from mitmproxy.proxy.layers.http._hooks import HttpRequestHook, HttpResponseHook

from proxy.addons.master import CannotListen, Listening, ProxyMaster, run_front
from tests.support.flows import asked
from tests.support.ports import free_port


class Noting:
    """An addon that notes when it is called."""

    def __init__(self, name: str, notes: list[str], *, raises: bool = False) -> None:
        self.name, self._notes, self._raises = name, notes, raises

    async def request(self, _: http.HTTPFlow) -> None:
        self._notes.append(self.name)
        if self._raises:
            raise RuntimeError("a bug")


class NotingAnswers(Noting):
    def response(self, _: http.HTTPFlow) -> None:
        self._notes.append(f"{self.name} answered")


def master(*addons: object) -> ProxyMaster:
    return ProxyMaster(options.Options(), addons, Listening(lambda: None))


async def test_hooks_are_called_in_the_order_of_the_addons() -> None:
    notes = list[str]()
    tried = master(Noting("first", notes), NotingAnswers("second", notes), Noting("third", notes))
    await tried.addons.trigger_event(HttpRequestHook(asked("GET", "/")))
    await tried.addons.trigger_event(HttpResponseHook(asked("GET", "/")))

    assert notes == ["first", "second", "third", "second answered"]


async def test_an_addon_that_raises_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture) -> None:
    notes = list[str]()
    tried = master(Noting("first", notes, raises=True), Noting("second", notes))
    with caplog.at_level(logging.ERROR):
        await tried.addons.trigger_event(HttpRequestHook(asked("GET", "/")))

    assert notes == ["first", "second"]
    assert "Addon error" in caplog.text


async def test_an_addon_that_is_added_later_is_called_too() -> None:
    notes = list[str]()
    tried = master(Noting("first", notes))
    await tried.addons.trigger_event(HttpRequestHook(asked("GET", "/")))
    tried.addons.add(Noting("later", notes))
    await tried.addons.trigger_event(HttpRequestHook(asked("GET", "/")))

    assert notes == ["first", "first", "later"]


async def test_websockets_pass_as_bytes_and_the_browsers_host_stays() -> None:
    chosen = master().options

    assert (chosen.websocket, chosen.keep_host_header, chosen.connection_strategy) == (False, True, "lazy")
    assert chosen.tcp_timeout > 86_400


async def test_a_front_that_is_stopped_listens_no_more() -> None:
    port, ready, stop = free_port(), asyncio.Event(), asyncio.Event()
    front = asyncio.create_task(
        run_front(host="127.0.0.1", port=port, upstream="http://127.0.0.1:1", addons=[], ready=ready.set, stop=stop)
    )
    await asyncio.wait_for(ready.wait(), 60)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    stop.set()
    await asyncio.wait_for(front, 60)
    writer.close()

    with pytest.raises(OSError, match=r"\[Errno"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_an_address_of_another_machine_is_one_clear_sentence() -> None:
    with pytest.raises(CannotListen, match=r"cannot listen on 192\.0\.2\.1:"):
        await run_front(
            host="192.0.2.1",
            port=free_port(),
            upstream="http://127.0.0.1:1",
            addons=[],
            ready=lambda: None,
            stop=asyncio.Event(),
        )
