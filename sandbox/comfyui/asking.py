"""A node that waits for a person, as image choosers do: it sends a message, and its route gets the answer."""

import threading
import time

from aiohttp import web

from sandbox.comfyui.node import Context, NodeClass, Result

_TICK_S = 0.02


class Asking:
    """The node, and the route at which it is answered."""

    def __init__(self) -> None:
        self._answers: dict[str, str] = {}
        self._lock = threading.Lock()
        self.node = NodeClass(
            "SandboxAsk",
            self._ask,
            {"question": ["STRING", {"default": ""}]},
            ("STRING",),
            category="sandbox",
            module="custom_nodes.sandbox",
            output_node=True,
            fingerprint=lambda *_: time.monotonic_ns(),
        )

    def add_to(self, routes: web.RouteTableDef) -> None:
        routes.post("/sandbox/answer")(self._answer)

    def _ask(self, context: Context, question: str) -> Result:
        with self._lock:
            self._answers.pop(context.node_id, None)
        context.send("sandbox-ask", {"node": context.node_id, "question": question})
        while (answer := self._answers.get(context.node_id)) is None:
            context.check()
            time.sleep(_TICK_S)
        return Result((answer,), ui={"text": [answer]})

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        with self._lock:
            self._answers[str(body["node"])] = str(body["answer"])
        return web.json_response({})
