"""POST /prompt: answered at once with a prompt id; the dispatcher does the rest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mitmproxy import http

from engine.comfyui import ComfyUI, ComfyUIUnavailable
from engine.jobs.dispatcher import Dispatcher
from engine.model.states import ACTIVE
from engine.prompt.inputs import InputFile, find_inputs, linked_out, missing, refusals
from engine.prompt.submission import SubmissionRefused, classes, invalid, judged, parse, submission
from engine.store.jobs import JobStore
from proxy.addons.fail_closed import closed
from proxy.addons.responses import comfy_error, json_response
from proxy.addons.routes import Route, route
from wire.files import Folder
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
        except SubmissionRefused as refused:
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
        files = find_inputs(taken.prompt, infos)
        if outside := await self._where(files, self._comfyui.leads_out):
            raise invalid("", linked_out(taken.prompt, outside))
        absent = await self._where([file for file in files if file.certain], self._comfyui.lacks_file)
        taken, node_errors = judged(taken, infos, missing(absent))
        known = self._store.find(taken.prompt_id)
        if known is not None and known.state in ACTIVE:
            raise SubmissionRefused("invalid_prompt_id", "A prompt with this id is in the queue", taken.prompt_id)
        job = self._dispatcher.submit(taken)
        number = int(job.number) if job.number == int(job.number) else job.number
        return json_response(200, {"prompt_id": job.prompt_id, "number": number, "node_errors": node_errors})

    async def _where(
        self, files: Sequence[InputFile], holds: Callable[[str, str, Folder], Awaitable[bool]]
    ) -> list[InputFile]:
        """Those of *files* of which that holds."""
        answers = await asyncio.gather(*(holds(*_parts(file.path), file.folder) for file in files))
        return [file for file, answer in zip(files, answers, strict=True) if answer]


def _parts(path: str) -> tuple[str, str]:
    subfolder, _, filename = path.rpartition("/")
    return subfolder, filename
