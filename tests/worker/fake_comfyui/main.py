"""A ComfyUI for the worker's failure tests: real routes and frames, and nodes that fail as one wishes.

- ``Save`` writes a file of *size* bytes; ``Claim`` names a file that it does not write.
- ``Leave`` writes a file and says nothing: *name* in *folder*, or *path*; ``Fail`` and ``Die`` may come after it.
- ``Read`` and ``Text`` have a text as output.
- ``Slow`` runs until it is interrupted; ``Deaf`` is Slow, but forgets the first interrupt.
- ``Blocking`` looks at no interrupt for *seconds*; ``Sleep`` takes *seconds*.
- ``Leak`` fails with the token of an account in its inputs and in the log.
- ``Fail`` fails with *message*; ``Die`` ends the process; ``Vanish`` forgets the prompt.
- ``Again`` queues the prompt once more, until it ran *times* more; ``Stray`` queues one when its job has ended.
- ``Wild`` gets another *text* before it is queued.
- ``Refused`` is left out of a prompt that runs without it.
- ``DropSocket`` closes every websocket, then goes on; ``LoseEnd`` sends nothing more about this prompt.
- ``Ask`` sends a message and waits for a POST to ``/chooser/answer``; ``Work`` sends one and computes for *seconds*.
- ``Monitor`` sends a hundred messages a second to everybody from now on, as custom nodes do; ``Log`` writes *lines*.
"""

import argparse
import asyncio
import os
import struct
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web


def write(folder: str, name: str, content: bytes) -> None:
    Path(folder, name).write_bytes(content)


def read(folder: str, name: str) -> str:
    return Path(folder, name).read_text(encoding="utf-8")


def item(body: dict[str, Any]) -> list[Any]:
    """As in the queue."""
    return [0, body["prompt_id"], body["prompt"], body["extra_data"], []]


class Comfy:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.pending: list[dict[str, Any]] = []
        self.running: str | None = None
        self.body: dict[str, Any] = {}
        self.stray: dict[str, Any] | None = None
        self.history: dict[str, Any] = {}
        self.interrupts = 0
        self.interrupted = asyncio.Event()
        self.client = ""
        self.message = ""
        self.mute = False
        self.monitors: list[asyncio.Task[None]] = []
        self.answers: asyncio.Queue[list[str]] = asyncio.Queue()

    async def stats(self, _: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "fake"}})

    async def definitions(self, _: web.Request) -> web.Response:
        return web.json_response({name: {"input": {}} for name in ("Save", "Slow", "Unknow")})

    async def definition(self, request: web.Request) -> web.Response:
        return web.json_response({request.match_info["name"]: {"input": {}}})

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query["clientId"]
        self.sockets[client] = socket
        await socket.send_json({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}}})
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        if self.sockets.get(client) is socket:
            del self.sockets[client]
        return socket

    async def prompt(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(node["class_type"] == "Unknown" for node in body["prompt"].values()):
            error = {"type": "invalid_prompt", "message": "Cannot execute", "details": "Node ID '#1'", "extra_info": {}}
            return web.json_response({"error": error, "node_errors": {"1": {"errors": []}}}, status=400)
        await asyncio.sleep(body["extra_data"].get("validation_s", 0))
        refused = [node for node, content in body["prompt"].items() if content["class_type"] == "Refused"]
        body["prompt"] = {node: content for node, content in body["prompt"].items() if node not in refused}
        for node in body["prompt"].values():
            if node["class_type"] == "Wild":
                node["inputs"]["text"] = "populated"
        print("got prompt", flush=True)
        self.put(body)
        problem = {"errors": [{"message": "Value not in list", "details": "vae"}], "class_type": "Refused"}
        errors = dict.fromkeys(refused, problem)
        return web.json_response({"prompt_id": body["prompt_id"], "number": 0, "node_errors": errors})

    def put(self, body: dict[str, Any]) -> None:
        self.pending.append(body)
        self.queue.put_nowait(body)

    async def get_queue(self, _: web.Request) -> web.Response:
        running = [item(self.body)] if self.running else []
        return web.json_response({"queue_running": running, "queue_pending": [item(body) for body in self.pending]})

    async def post_queue(self, request: web.Request) -> web.Response:
        wanted = await request.json()
        dropped = [body["prompt_id"] for body in self.pending if wanted.get("clear")] + wanted.get("delete", [])
        self.pending = [body for body in self.pending if body["prompt_id"] not in dropped]
        return web.Response()

    async def interrupt(self, request: web.Request) -> web.Response:
        if (await request.json()).get("prompt_id") == self.running:
            self.interrupts += 1
            self.interrupted.set()
        return web.Response()

    async def free(self, request: web.Request) -> web.Response:
        print(f"asked to forget: {await request.json()}", flush=True)
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["prompt_id"]
        return web.json_response({k: v for k, v in self.history.items() if k == prompt_id})

    async def get_newest(self, request: web.Request) -> web.Response:
        if self.stray is not None:
            self.put(self.stray)
            self.stray = None
        ids = list(self.history)[-int(request.query["max_items"]) :]
        return web.json_response({prompt_id: self.history[prompt_id] for prompt_id in ids})

    async def post_history(self, request: web.Request) -> web.Response:
        for prompt_id in (await request.json())["delete"]:
            self.history.pop(prompt_id, None)
        return web.Response()

    async def send(self, kind: str, **data: Any) -> None:
        if (socket := self.sockets.get(self.client)) and not self.mute:
            await socket.send_json({"type": kind, "data": {**data, "prompt_id": self.running}})

    async def work(self) -> None:
        while True:
            body = await self.queue.get()
            if body in self.pending:
                self.pending.remove(body)
                await self.execute(body)

    async def execute(self, body: dict[str, Any]) -> None:
        self.running, self.client, self.body = body["prompt_id"], body.get("client_id", ""), body
        self.interrupts, self.mute = 0, False
        self.interrupted.clear()
        outputs: dict[str, Any] = {}
        begin = {"prompt_id": self.running, "timestamp": time.time_ns() // 1_000_000}
        await self.send("execution_start", timestamp=begin["timestamp"])
        end = "execution_success"
        for node, content in body["prompt"].items():
            await self.send("executing", node=node, display_node=node)
            result = await getattr(self, content["class_type"])(node, content["inputs"])
            if result == "interrupted":
                end = "execution_interrupted"
                break
            if result == "failed":
                end = "execution_error"
                break
            if result == "forgotten":
                self.running = None
                return
            if result:
                outputs[node] = result
                await self.send("executed", node=node, display_node=node, output=result)
        details = {**begin, "node_id": node, "node_type": content["class_type"], "executed": []}
        if end == "execution_error":
            details["current_inputs"] = {"token": [self.token(body)]}
            details |= {"exception_message": self.message, "exception_type": "RuntimeError", "traceback": ["at node 1"]}
        await self.send(end, **({k: v for k, v in details.items() if k != "prompt_id"}))
        good = end == "execution_success"
        status = {"status_str": "success" if good else "error", "completed": good}
        messages = [["execution_start", begin], [end, details]]
        self.history[self.running] = {
            "prompt": [*item(body)[:4], list(outputs)],
            "outputs": outputs,
            "status": {**status, "messages": messages},
            "meta": {},
        }
        self.running, ended = None, self.running
        if (socket := self.sockets.get(self.client)) and not self.mute:
            await socket.send_json({"type": "executing", "data": {"node": None, "prompt_id": ended}})

    async def Save(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        name, kind = f"{inputs['name']}.png", inputs.get("folder", "output")
        folders = {"output": self.options.output_directory, "temp": f"{self.options.temp_directory}/temp"}
        write(folders[kind], name, bytes(range(256)) * (inputs["size"] // 256))
        return {"images": [{"filename": name, "subfolder": "", "type": kind}]}

    async def Claim(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        return {"images": [{"filename": inputs["name"], "subfolder": "", "type": "output"}]}

    async def Leave(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        roots = {"output": self.options.output_directory, "input": self.options.input_directory}
        path = Path(inputs["path"]) if "path" in inputs else Path(roots[inputs["folder"]], inputs["name"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(inputs.get("content", "paid").encode())

    async def Read(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        return {"text": [read(self.options.input_directory, inputs["name"])]}

    async def Text(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        return {"text": ["é" * inputs["size"]]}

    async def Again(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        if left := inputs["times"]:
            prompt = {**self.body["prompt"], node: {"class_type": "Again", "inputs": {**inputs, "times": left - 1}}}
            self.put(self.following(prompt | inputs.get("with", {}), alone=inputs.get("alone", False)))
        return {"text": [str(left)]}

    def following(self, prompt: dict[str, Any], *, alone: bool = False) -> dict[str, Any]:
        """A prompt that a node queues; *alone*: without the client id, so no message is sent about it."""
        body = {**self.body, "prompt": prompt, "prompt_id": uuid.uuid4().hex}
        return {**body, "client_id": ""} if alone else body

    async def Stray(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        self.stray = self.following({"1": {"class_type": "Slow", "inputs": {}}})

    async def Wild(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        return {"text": [inputs["text"]]}

    async def Slow(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        step = 0
        while not self.interrupted.is_set():
            step += 1
            await self.send("progress", value=step, max=1000, node=node)
            if socket := self.sockets.get(self.client):
                await socket.send_bytes(struct.pack(">II", 1, 1) + b"\xff\xd8preview")
            await asyncio.sleep(0.01)
        return "interrupted"

    async def Deaf(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        while self.interrupts < 2:
            await asyncio.sleep(0.01)
        return "interrupted"

    async def Blocking(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        await asyncio.sleep(inputs["seconds"])

    async def Sleep(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        await asyncio.sleep(inputs["seconds"])

    async def Ask(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        await self.send("chooser-asks", id=node)
        return {"text": await self.answers.get()}

    async def answer(self, request: web.Request) -> web.Response:
        named = [f"{name}={request.headers[name]}" for name in ("Content-Type", "Cookie") if name in request.headers]
        self.answers.put_nowait([request.path_qs, *named, (await request.read()).decode()])
        return web.json_response({})

    async def Work(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        await self.send("toast", text="this takes long")
        until = time.monotonic() + inputs["seconds"]
        while time.monotonic() < until:
            await asyncio.sleep(0)

    async def Fail(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        self.message = inputs["message"]
        return "failed"

    def token(self, body: dict[str, Any]) -> str:
        extra = body["extra_data"]
        return str(extra.get("auth_token_comfy_org") or extra.get("api_key_comfy_org"))

    async def Leak(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        self.message = f"no credits for {self.token(self.body)}"
        print(f"Bearer: {self.token(self.body)}", flush=True)
        return "failed"

    async def Die(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        print("CUDA error: out of luck", flush=True)
        os._exit(3)

    async def DropSocket(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        for socket in list(self.sockets.values()):
            await socket.close()

    async def LoseEnd(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        self.mute = True

    async def Monitor(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        self.monitors.append(asyncio.create_task(self.monitor()))

    async def monitor(self) -> None:
        values = {"value": 1, "max": 2, "node": "1"}
        messages = [
            {"type": "crystools.monitor", "data": {"cpu_utilization": 3}},
            {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}}},
            {"type": "progress", "data": {**values, "prompt_id": "another"}},
            {"type": "progress", "data": {**values, "prompt_id": ""}},
            "not a message",
        ]
        while True:
            for message in messages:
                for socket in list(self.sockets.values()):
                    await socket.send_json(message)
                await asyncio.sleep(0.01)

    async def Log(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        print("\n".join(inputs["lines"]), flush=True)

    async def Vanish(self, node: str, inputs: dict[str, Any]) -> Any:  # noqa: N802
        return "forgotten"


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--port", "--input-directory", "--output-directory", "--temp-directory"):
        parser.add_argument(name)
    parser.add_argument("--fail", action="store_true")
    options, _ = parser.parse_known_args()
    if options.fail:
        sys.exit("no such model folder")
    comfy = Comfy(options)
    app = web.Application()
    app.add_routes([
        web.get("/system_stats", comfy.stats), web.get("/object_info", comfy.definitions),
        web.get("/object_info/{name}", comfy.definition),
        web.get("/ws", comfy.socket), web.post("/prompt", comfy.prompt),
        web.get("/queue", comfy.get_queue), web.post("/queue", comfy.post_queue),
        web.post("/interrupt", comfy.interrupt), web.post("/free", comfy.free),
        web.get("/history/{prompt_id}", comfy.get_history), web.post("/chooser/answer", comfy.answer),
        web.get("/history", comfy.get_newest), web.post("/history", comfy.post_history),
    ])  # fmt: skip
    tasks: list[asyncio.Task[None]] = []

    async def begin(_: web.Application) -> None:
        tasks.append(asyncio.create_task(comfy.work()))

    app.on_startup.append(begin)
    web.run_app(app, host="127.0.0.1", port=int(options.port), print=None)


if __name__ == "__main__":
    main()
