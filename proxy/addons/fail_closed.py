"""Fail closed: mitmproxy lets a request through when a hook raises, and a prompt would then run locally."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mitmproxy import http

from proxy.addons.responses import comfy_error
from proxy.addons.routes import path_for_log

logger = logging.getLogger(__name__)

Hook = Callable[[Any, http.HTTPFlow], Any]


def fail_closed(hook: Hook) -> Hook:
    """Wraps a request or response hook of an addon.

    The hook is skipped when the request has been answered by an earlier addon or its client has left; whatever it
    raises becomes an error answer.
    """
    if inspect.iscoroutinefunction(hook):
        return _fail_closed_async(hook)

    @functools.wraps(hook)
    def guarded(addon: Any, flow: http.HTTPFlow) -> None:
        if _is_over(hook, flow):
            return
        try:
            hook(addon, flow)
        except Exception as error:  # noqa: BLE001  whatever it is, the request must not go on
            _close(flow, error)

    return guarded


def _fail_closed_async(hook: Callable[[Any, http.HTTPFlow], Awaitable[None]]) -> Hook:
    @functools.wraps(hook)
    async def guarded(addon: Any, flow: http.HTTPFlow) -> None:
        if _is_over(hook, flow):
            return
        try:
            await hook(addon, flow)
        except Exception as error:  # noqa: BLE001  whatever it is, the request must not go on
            _close(flow, error)

    return guarded


def _is_over(hook: Callable[..., object], flow: http.HTTPFlow) -> bool:
    answered = flow.response is not None and hook.__name__.startswith("request")
    return answered or flow.error is not None or not flow.live


def _close(flow: http.HTTPFlow, error: Exception) -> None:
    logger.error("%s %s failed in the proxy", flow.request.method, path_for_log(flow.request.path), exc_info=error)
    flow.response = comfy_error(500, "proxy_error", "The proxy failed", f"{type(error).__name__}: {error}")
