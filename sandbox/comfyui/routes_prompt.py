"""/prompt, /queue, /interrupt, /free, /history, /object_info and the jobs API."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.comfyui.console import Console
from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.graph import Classes
from sandbox.comfyui.jobs import BadQuery, all_jobs, one_job
from sandbox.comfyui.prompt_queue import PromptQueue
from sandbox.comfyui.validation import InvalidPrompt, validate
from wire.comfy import CustomMessage
from wire.ids import is_prompt_id

_BAD_ID = (
    "prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one"
)
_SECRETS = ("auth_token_comfy_org", "api_key_comfy_org")


class PromptRoutes:
    def __init__(self, queue: PromptQueue, classes: Classes, folders: ComfyFolders, console: Console) -> None:
        self._queue = queue
        self._classes = classes
        self._folders = folders
        self._console = console
        self._number = 0

    def add_to(self, routes: web.RouteTableDef) -> None:
        routes.post("/prompt")(self.post_prompt)
        routes.get("/prompt")(self.get_prompt)
        routes.get("/queue")(self.get_queue)
        routes.post("/queue")(self.post_queue)
        routes.post("/interrupt")(self.interrupt)
        routes.post("/free")(self.free)
        routes.get("/history")(self.get_history)
        routes.get("/history/{prompt_id}")(self.get_history_item)
        routes.post("/history")(self.post_history)
        routes.get("/object_info")(self.object_info)
        routes.get("/object_info/{name}")(self.object_info_of)
        routes.get("/api/jobs")(self.jobs)
        routes.get("/api/jobs/{prompt_id}")(self.job)
        routes.post("/api/jobs/cancel")(self.cancel_jobs)
        routes.post("/api/jobs/{prompt_id}/cancel")(self.cancel_job)

    async def post_prompt(self, request: web.Request) -> web.Response:
        await self._console.say("got prompt")
        body: dict[str, Any] = await request.json()
        number = float(body["number"]) if "number" in body else self._next_number(front=bool(body.get("front")))
        if "prompt" not in body:
            details = "No prompt provided"
            return _refused(InvalidPrompt("no_prompt", "No prompt provided", details))
        await self._let_nodes_change(body)
        try:
            checked = validate(body["prompt"], self._classes, body.get("partial_execution_targets"), self._folders)
        except InvalidPrompt as invalid:
            return _refused(invalid)
        posted = body.get("extra_data") or {}
        extra = {key: value for key, value in posted.items() if key not in _SECRETS}
        account = {key: value for key, value in posted.items() if key in _SECRETS}
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        if source := request.headers.get("Comfy-Usage-Source"):
            extra.setdefault("comfy_usage_source", source)
        extra["create_time"] = time.time_ns() // 1_000_000
        prompt_id = str(body.get("prompt_id") or uuid.uuid4())
        if not is_prompt_id(prompt_id):
            return _refused(InvalidPrompt("invalid_prompt_id", "prompt_id must be a valid UUID", _BAD_ID))
        shown = int(number) if number == int(number) and "number" not in body else number
        await self._queue.put(shown, prompt_id, checked.prompt, extra, checked.outputs, account)
        return web.json_response({"prompt_id": prompt_id, "number": shown, "node_errors": checked.node_errors})

    async def _let_nodes_change(self, body: Mapping[str, Any]) -> None:
        """As handlers of custom nodes do: the node's inputs, and its widgets in the workflow (server.py
        ``trigger_on_prompt``).
        """
        for node_id, node in body["prompt"].items():
            found = self._classes.get(node.get("class_type"))
            if found is None or found.on_prompt is None:
                continue
            node["inputs"].update(found.on_prompt(node["inputs"]))
            for shown in _workflow_nodes(body):
                if str(shown["id"]) == node_id:
                    shown["widgets_values"] = list(node["inputs"].values())
            await self._queue.tell(CustomMessage("sandbox-feedback", {"node": node_id, **node["inputs"]}))

    def _next_number(self, *, front: bool) -> float:
        number, self._number = self._number, self._number + 1
        return -number if front else number

    async def get_prompt(self, _: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": self._queue.remaining}})

    async def get_queue(self, _: web.Request) -> web.Response:
        running = [] if self._queue.running is None else [self._queue.running.tuple()]
        pending = [item.tuple() for item in self._queue.pending]
        return web.json_response({"queue_running": running, "queue_pending": pending})

    async def post_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            await self._queue.clear()
        if "delete" in body:
            await self._queue.delete(body["delete"])
        return web.Response()

    async def interrupt(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except json.JSONDecodeError:
            body = {}
        self._queue.interrupt(body.get("prompt_id"))
        return web.Response()

    async def free(self, request: web.Request) -> web.Response:
        if (await request.json()).get("free_memory"):
            self._queue.forget_cache()
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        history = self._queue.history
        ids = list(history)
        most = int(request.query["max_items"]) if "max_items" in request.query else None
        offset = int(request.query.get("offset", "-1"))
        if most is not None:
            start = offset if offset >= 0 else max(0, len(ids) - most)
            ids = ids[start : start + most]
        return web.json_response({prompt_id: history[prompt_id] for prompt_id in ids})

    async def get_history_item(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["prompt_id"]
        found = self._queue.history.get(prompt_id)
        return web.json_response({} if found is None else {prompt_id: found})

    async def post_history(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.history.clear()
        for prompt_id in body.get("delete", []):
            self._queue.history.pop(prompt_id, None)
        return web.Response()

    async def object_info(self, _: web.Request) -> web.Response:
        return web.json_response({name: node.info(self._folders) for name, node in self._classes.items()})

    async def object_info_of(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response({name: self._classes[name].info(self._folders)} if name in self._classes else {})

    async def jobs(self, request: web.Request) -> web.Response:
        query: Mapping[str, str] = request.query
        try:
            return web.json_response(all_jobs(self._queue, query))
        except BadQuery as error:
            return web.json_response({"error": str(error)}, status=400)

    async def job(self, request: web.Request) -> web.Response:
        found = one_job(self._queue, request.match_info["prompt_id"])
        if found is None:
            return web.json_response({"error": "Job not found"}, status=404)
        return web.json_response(found)

    async def cancel_job(self, request: web.Request) -> web.Response:
        return web.json_response({"cancelled": await self._queue.cancel(request.match_info["prompt_id"])})

    async def cancel_jobs(self, request: web.Request) -> web.Response:
        ids = (await request.json()).get("job_ids")
        if not isinstance(ids, list):
            return web.json_response({"error": "job_ids must be a list"}, status=400)
        if odd := [one if isinstance(one, str) else repr(one) for one in ids if not is_prompt_id(one)]:
            return web.json_response({"error": "job_ids contains invalid id(s)", "invalid_ids": odd}, status=400)
        cancelled = [await self._queue.cancel(one) for one in ids]
        return web.json_response({"cancelled": any(cancelled)})


def _refused(invalid: InvalidPrompt) -> web.Response:
    return web.json_response({"error": invalid.error, "node_errors": invalid.node_errors}, status=400)


def _workflow_nodes(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    extra_data = body.get("extra_data") or {}
    return list(extra_data.get("extra_pnginfo", {}).get("workflow", {}).get("nodes", ()))
