"""POST /prompt: answered at once with a prompt id; the dispatcher does the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import batched
from typing import Any

from mitmproxy import http

from engine.comfyui import ComfyUI, ComfyUIRejected, ComfyUIUnavailable
from engine.jobs.dispatcher import Dispatcher
from engine.model.input_file import InputFile, Presence
from engine.model.states import ACTIVE
from engine.prompt.admission import Admitted, Questions, admission, admit
from engine.prompt.replacements import replaced, replacements_of
from engine.prompt.sides import Sides
from engine.prompt.submission import SubmissionRefused, classes, client_id_of, parse, with_usage_source
from engine.store.jobs import JobStore
from engine.views.job import shown_number
from proxy.addons.fail_closed import fail_closed
from proxy.addons.json_bodies import BodyUnreadable, content
from proxy.addons.responses import comfy_error, json_response
from proxy.addons.routes import BODY_MAX, Route, route
from proxy.prompt_checks import PromptChecks
from wire.ids import PromptId

_LONG = 256 * 1024
"""bytes of a prompt from which on it is judged beside the event loop"""
_AT_A_TIME = 64
_Judge = Callable[..., Awaitable[Any]]
"""calls a pure function here or in a thread"""


class Submit:
    def __init__(
        self,
        comfyui: ComfyUI,
        dispatcher: Dispatcher,
        store: JobStore,
        new_id: Callable[[], PromptId],
        now_ms: Callable[[], int],
        checks: PromptChecks,
        *,
        hand_account: bool = False,
    ) -> None:
        """*hand_account*: jobs may have the tokens of the person's Comfy account (``COMFY_ORG_TOKENS``)."""
        self._comfyui = comfyui
        self._checks = checks
        self._dispatcher = dispatcher
        self._store = store
        self._new_id = new_id
        self._now_ms = now_ms
        self._hand_account = hand_account

    @fail_closed
    async def request(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is Route.PROMPT:
            flow.response = await self._answer(flow.request)

    async def _answer(self, request: http.Request) -> http.Response:
        try:
            source = request.headers.get("Comfy-Usage-Source")
            return await self._submit(content(request, BODY_MAX[Route.PROMPT]), source)
        except BodyUnreadable as error:
            return comfy_error(400, "invalid_body", "The request cannot be read", str(error))
        except SubmissionRefused as refused:
            return json_response(400, refused.body)
        except ComfyUIUnavailable as error:
            details = f"{error}. The proxy needs its node definitions to find the files that the prompt names."
            return comfy_error(503, "comfyui_unavailable", "ComfyUI does not answer", details)
        except ComfyUIRejected as error:
            details = f"{error}. The proxy asked about the nodes and files of the prompt. Press Run to try again."
            return comfy_error(502, "comfyui_failed", "ComfyUI answered with an error", details)

    async def _submit(self, raw: bytes, usage_source: str | None) -> http.Response:
        judge = asyncio.to_thread if len(raw) > _LONG else _here
        body = with_usage_source(await judge(parse, raw), usage_source)
        body, sides = await self._described(body, await judge(classes, body))
        new_id, now_ms = self._new_id(), self._now_ms()
        questions = await judge(admission, body, sides, new_id, now_ms, hand_account=self._hand_account)
        questions = questions.with_paths(await self._checks.paths.find(questions.submission.prompt, sides.here_first))
        admitted = await self._admitted(judge, questions, body)
        prompt_id = admitted.submission.prompt_id
        known = self._store.find(prompt_id)
        if known is not None and known.state in ACTIVE:
            raise SubmissionRefused("invalid_prompt_id", "A prompt with this id is in the queue", prompt_id)
        job = self._dispatcher.submit(admitted.submission, admitted.account)
        await self._checks.accepted(admitted.judgement, body, job.client_id, job.prompt_id)
        answer = {"prompt_id": job.prompt_id, "number": shown_number(job.number)}
        return json_response(200, {**answer, "node_errors": dict(admitted.node_errors)})

    async def _admitted(self, judge: _Judge, questions: Questions, body: Mapping[str, Any]) -> Admitted:
        """Tells the page why, when its prompt is refused, and what to do."""
        presences = await self._presences(questions.files)
        try:
            admitted: Admitted = await judge(admit, questions, presences)
        except SubmissionRefused as refused:
            if refused.judgement is not None:
                page, anyway = questions.submission.client_id, refused.can_run_anyway
                told = await self._checks.refused(refused.judgement, body, page, can_run_anyway=anyway)
                refused.extra_info = dict(refused.extra_info) | ({} if told is None else {"runpod": told})
            raise
        return admitted

    async def _described(self, body: dict[str, Any], kinds: Collection[str]) -> tuple[dict[str, Any], Sides]:
        """The request with the new names of its node classes, and what is known of each."""
        client_id = client_id_of(body)
        sides = await self._checks.sides(kinds, client_id)
        lost = [kind for kind, info in sides.infos.items() if info is None or sides.lacks(kind)]
        if not lost:
            return body, sides
        found = replacements_of(await self._comfyui.node_replacements(), lost)
        new = await self._checks.sides({one["new_node_id"] for one in found.values()}, client_id)
        usable = {kind: one for kind, one in found.items() if _has(new, one["new_node_id"])}
        if not usable:
            return body, sides
        used = {usable[kind]["new_node_id"] if kind in usable else kind for kind in kinds}
        return {**body, "prompt": replaced(body["prompt"], usable)}, await self._checks.sides(used, client_id)

    async def _presences(self, files: Sequence[InputFile]) -> Mapping[InputFile, Presence]:
        return await _asked(lambda file: self._comfyui.presence(file.path, file.folder), files)


def _has(sides: Sides, class_type: str) -> bool:
    """Whether the endpoint has the class; this machine, when nothing is known of the endpoint."""
    return sides.infos[class_type] is not None and not sides.lacks(class_type)


async def _here[**P, R](function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As ``asyncio.to_thread``, for what takes no time."""
    return function(*args, **kwargs)


async def _asked[Q, A](ask: Callable[[Q], Awaitable[A]], questions: Iterable[Q]) -> dict[Q, A]:
    """The answer to each question, some at a time."""
    answers: dict[Q, A] = {}
    for some in batched(questions, _AT_A_TIME):
        answers |= zip(some, await asyncio.gather(*map(ask, some)), strict=True)
    return answers
