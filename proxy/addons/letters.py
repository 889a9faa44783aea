"""Letters: what the page answers to a node that waits at RunPod goes to the local ComfyUI as ever, and to the worker.

A letter never delays or breaks the POST that it is a copy of, so this addon does not fail closed.
"""

import logging
import uuid
from collections.abc import Callable
from typing import Any, Protocol

from mitmproxy import http

from proxy.addons.responses import json_response
from proxy.addons.routes import Route, path_for_log, route
from proxy.asking_jobs import AskingJobs
from proxy.letter_texts import texts_of_letter
from wire.ids import PromptId
from wire.letters import LETTER_MAX, Letter, may_travel
from wire.limits import MIB

logger = logging.getLogger(__name__)

_POSTED = "letter"
_TOO_LARGE = "It has {:.1f} MiB, and a letter may have {:g}: it went to your own ComfyUI only."


class Post(Protocol):
    """Where letters go; implemented by LetterBoxes."""

    @property
    def usable(self) -> bool: ...
    def post(self, prompt_id: PromptId, letter: Letter) -> None: ...


class Letters:
    """The addon; it comes after Streaming. *run_of* is the run (see wire/batch.py) of a job that runs, "" before it has
    one.
    """

    def __init__(self, asking: AskingJobs, post: Post, run_of: Callable[[PromptId], str]) -> None:
        self._asking, self._post, self._run_of = asking, post, run_of

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """A body that is small enough is read whole, and then passed on."""
        if self._may_be_letter(flow) and _size(flow.request) <= LETTER_MAX:
            flow.request.stream = False

    def request(self, flow: http.HTTPFlow) -> None:
        if not self._may_be_letter(flow):
            return
        try:
            self._copy(flow)
        except Exception:  # the POST itself goes on
            logger.exception("no letter to %s", path_for_log(flow.request.path))

    def response(self, flow: http.HTTPFlow) -> None:
        """A local ComfyUI without the route does not matter: what counts is that the node at RunPod gets its answer."""
        if flow.metadata.get(_POSTED) and flow.response is not None and flow.response.status_code in (404, 405):
            flow.response = json_response(200, {})

    def _may_be_letter(self, flow: http.HTTPFlow) -> bool:
        request = flow.request
        return (
            request.method == "POST"
            and self._post.usable
            and self._asking.any_running
            and flow.response is None
            and flow.error is None
            and bool(flow.live)
            and "Upgrade" not in request.headers
            and "Content-Encoding" not in request.headers
            and route("POST", request.path).route is Route.OTHER
            and may_travel(request.path)
        )

    def _copy(self, flow: http.HTTPFlow) -> None:
        request = flow.request
        body, content_type = request.raw_content, request.headers.get("Content-Type", "")
        texts = texts_of_letter(request.path, content_type, body or b"")
        prompt_id = self._asking.addressee(request.headers.get("User-Agent", ""), texts)
        if prompt_id is None or not (run := self._run_of(prompt_id)):
            return
        if body is None:  # it was passed on as it came
            self._say_too_large(prompt_id, _size(request))
            return
        fields: dict[str, Any] = {"path": request.path, "content_type": content_type, "body": body}
        self._post.post(prompt_id, Letter.of(id=uuid.uuid4().hex, run=run, **fields))
        flow.metadata[_POSTED] = True
        logger.info("%s: a letter to %s", prompt_id, path_for_log(request.path))

    def _say_too_large(self, prompt_id: PromptId, size: int) -> None:
        if self._asking.has_asked(prompt_id):
            detail = _TOO_LARGE.format(size / MIB, LETTER_MAX / MIB)
            self._asking.notice("warn", "An answer is too large for RunPod", detail)


def _size(request: http.Request) -> int:
    """Bytes of the body; more than a letter has when it is not said."""
    length = request.headers.get("Content-Length", "")
    if "Transfer-Encoding" in request.headers:
        return LETTER_MAX + 1
    return int(length) if length.isdigit() else 0
