"""A hook that raises must never let a request through."""

import logging

import pytest
from mitmproxy import flow as flows
from mitmproxy import http

from proxy.addons.fail_closed import fail_closed
from tests.support.flows import answer, answered, asked


class Addon:
    """With a bug, unless it is told to be *well*; remembers which hooks did something."""

    def __init__(self, *, well: bool = False) -> None:
        self.well = well
        self.called = list[str]()

    def _call(self, name: str) -> None:
        self.called.append(name)
        if not self.well:
            raise RuntimeError("a bug")

    @fail_closed
    def request(self, flow: http.HTTPFlow) -> None:
        self._call("request")

    @fail_closed
    async def request_async(self, flow: http.HTTPFlow) -> None:
        self._call("request_async")

    @fail_closed
    def response(self, flow: http.HTTPFlow) -> None:
        self._call("response")

    @fail_closed
    async def response_async(self, flow: http.HTTPFlow) -> None:
        self._call("response_async")


async def called(addon: Addon, hook: str, flow: http.HTTPFlow) -> list[str]:
    waiting = getattr(addon, hook)(flow)
    if hook.endswith("_async"):
        await waiting
    return addon.called


HOOKS = ["request", "request_async", "response", "response_async"]


@pytest.mark.parametrize("hook", HOOKS)
async def test_what_a_hook_raises_becomes_the_answer(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    flow = asked("POST", "/prompt", {})
    if hook.startswith("response"):
        answered(flow, {"prompt_id": "ran locally"})
    with caplog.at_level(logging.ERROR):
        await called(Addon(), hook, flow)
    status, body = answer(flow)

    assert status == 500
    assert body["error"]["type"] == "proxy_error"
    assert body["error"]["details"] == "RuntimeError: a bug"
    assert "POST /prompt failed in the proxy" in caplog.text


@pytest.mark.parametrize("hook", HOOKS)
async def test_a_hook_that_is_well_changes_nothing(hook: str) -> None:
    flow = asked("GET", "/queue")
    if hook.startswith("response"):
        answered(flow, {})

    assert await called(Addon(well=True), hook, flow) == [hook]
    assert flow.response is None or answer(flow) == (200, {})


@pytest.mark.parametrize("hook", ["request", "request_async"])
async def test_a_request_that_is_answered_is_left_alone(hook: str) -> None:
    flow = answered(asked("POST", "/prompt", {}), {"error": "refused"}, 403)

    assert await called(Addon(), hook, flow) == []
    assert answer(flow) == (403, {"error": "refused"})


@pytest.mark.parametrize("hook", HOOKS)
async def test_a_client_that_has_left_is_left_alone(hook: str) -> None:
    failed, gone = asked("POST", "/prompt", {}), asked("POST", "/prompt", {})
    failed.error = flows.Error("Client disconnected.")
    gone.live = False

    assert await called(Addon(), hook, failed) == []
    assert await called(Addon(), hook, gone) == []
