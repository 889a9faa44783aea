"""POST /prompt: answered at once with a prompt id; the dispatcher does the rest."""

import asyncio
from collections.abc import Callable

from mitmproxy import http

from proxy.addons.answers import comfy_error, json_response
from proxy.addons.closed import closed
from proxy.comfyui import ComfyUI, ComfyUIUnavailable
from proxy.core.inputs import Infos, InputFile, Prompt, find_inputs, missing, refusals
from proxy.core.lifecycle import ACTIVE
from proxy.core.routing import Route, route
from proxy.core.submission import Refused, classes, invalid, judged, parse, submission
from proxy.dispatcher import Dispatcher
from proxy.job_store import JobStore
from wire.ids import PromptId


class Submit:
    def __init__(
        self,
        comfyui: ComfyUI,
        dispatcher: Dispatcher,
        store: JobStore,
        new_id: Callable[[], PromptId],
        now_ms: Callable[[], int],
    ) -> None:
        self._comfyui = comfyui
        self._dispatcher = dispatcher
        self._store = store
        self._new_id = new_id
        self._now_ms = now_ms

    @closed
    async def request(self, flow: http.HTTPFlow) -> None:
        if route(flow.request.method, flow.request.path).route is Route.PROMPT:
            flow.response = await self._answer(flow.request.get_content(strict=True) or b"")

    async def _answer(self, raw: bytes) -> http.Response:
        try:
            return await self._submit(raw)
        except Refused as refused:
            return json_response(400, refused.body)
        except ComfyUIUnavailable as error:
            details = f"{error}. Its node definitions are needed to find the files that the prompt names."
            return comfy_error(503, "comfyui_unavailable", "ComfyUI does not answer", details)

    async def _submit(self, raw: bytes) -> http.Response:
        body = parse(raw)
        kinds = sorted(classes(body))
        found = await asyncio.gather(*(self._comfyui.node_info(kind) for kind in kinds))
        infos = dict(zip(kinds, found, strict=True))
        taken = submission(body, infos, self._new_id(), self._now_ms())
        if node_errors := refusals(taken.prompt, infos):
            raise invalid("", node_errors)
        taken, node_errors = judged(taken, infos, missing(await self._missing(taken.prompt, infos)))
        known = self._store.find(taken.prompt_id)
        if known is not None and known.state in ACTIVE:
            raise Refused("invalid_prompt_id", "A prompt with this id is in the queue", taken.prompt_id)
        job = self._dispatcher.submit(taken)
        number = int(job.number) if job.number == int(job.number) else job.number
        return json_response(200, {"prompt_id": job.prompt_id, "number": number, "node_errors": node_errors})

    async def _missing(self, prompt: Prompt, infos: Infos) -> list[InputFile]:
        """The files that the prompt names and ComfyUI does not have."""
        files = find_inputs(prompt, infos)
        there = await asyncio.gather(*(self._is_there(file) for file in files))
        return [file for file, is_there in zip(files, there, strict=True) if not is_there]

    async def _is_there(self, file: InputFile) -> bool:
        subfolder, _, filename = file.path.rpartition("/")
        return await self._comfyui.has_file(subfolder, filename, file.folder)
