"""The calls to the worker's own ComfyUI: what they send, and whose fault an error is."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from tests.support.served import served
from wire.comfy import Message, PreviewFrame
from wire.job import JobRequest
from worker.comfyui.client import ComfyClient, ComfyUnreachable, PromptRefused

REQUEST = JobRequest(workflow={"1": {"class_type": "Save", "inputs": {}}}, extra_data={"a": 1}, targets=("1",))


class Server:
    """Answers as the test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.frames: list[str | bytes] = []
        self.hello: list[str] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        self.asked.append((request.method, request.path, json.loads(text) if text else None))
        status, body = self.answers.get(request.path, (200, "{}"))
        return web.Response(status=status, text=body)

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.hello = [request.query["clientId"], str((await socket.receive()).data)]
        for frame in self.frames:
            await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
        while (await socket.receive()).type is not WSMsgType.CLOSE:
            continue
        return socket


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/ws", server.socket)
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with served(app, access_log=None, shutdown_timeout=0.1) as url:
        server.url = url
        yield server


@pytest.fixture
async def comfy(server: Server) -> AsyncIterator[ComfyClient]:
    async with aiohttp.ClientSession() as http:
        yield ComfyClient(server.url, http)


@pytest.fixture
async def nobody() -> AsyncIterator[ComfyClient]:
    async with aiohttp.ClientSession() as http:
        yield ComfyClient("http://127.0.0.1:1", http)


async def test_a_prompt_is_sent_with_its_id_its_client_and_its_targets(server: Server, comfy: ComfyClient) -> None:
    server.answers["/prompt"] = (200, '{"prompt_id": "p", "number": 3, "node_errors": {}}')

    assert await comfy.submit(REQUEST, "p", "me") == {}

    ((method, path, body),) = server.asked
    assert (method, path) == ("POST", "/prompt")
    assert body == {
        "prompt": REQUEST.workflow,
        "prompt_id": "p",
        "client_id": "me",
        "extra_data": {"a": 1},
        "partial_execution_targets": ["1"],
    }


async def test_a_prompt_without_targets_does_not_mention_them(server: Server, comfy: ComfyClient) -> None:
    await comfy.submit(JobRequest(workflow=REQUEST.workflow), "p", "me")

    assert "partial_execution_targets" not in server.asked[0][2]


async def test_the_errors_of_a_refused_part_are_returned(server: Server, comfy: ComfyClient) -> None:
    server.answers["/prompt"] = (200, '{"prompt_id": "p", "node_errors": {"7": {"errors": []}}}')

    assert await comfy.submit(REQUEST, "p", "me") == {"7": {"errors": []}}


async def test_a_refusal_has_comfyuis_words(server: Server, comfy: ComfyClient) -> None:
    error = {"type": "invalid_prompt", "message": "Cannot execute", "details": "", "extra_info": {}}
    server.answers["/prompt"] = (400, json.dumps({"error": error, "node_errors": {"1": {}}}))

    with pytest.raises(PromptRefused, match="Cannot execute") as caught:
        await comfy.submit(REQUEST, "p", "me")

    assert (caught.value.error, caught.value.node_errors) == (error, {"1": {}})


@pytest.mark.parametrize("body", ["Internal Server Error", '{"error": "a text"}', "[]", ""])
async def test_a_refusal_in_another_shape_is_a_refusal_with_its_text(
    server: Server, comfy: ComfyClient, body: str
) -> None:
    server.answers["/prompt"] = (500, body)

    with pytest.raises(PromptRefused, match="ComfyUI answered 500") as caught:
        await comfy.submit(REQUEST, "p", "me")

    assert caught.value.error["details"] == body


async def test_a_history_entry_is_found_by_its_prompt(server: Server, comfy: ComfyClient) -> None:
    server.answers["/history/p"] = (200, '{"p": {"outputs": {}}}')
    server.answers["/history/q"] = (200, "{}")
    server.answers["/history/r"] = (200, '{"r": null}')

    assert await comfy.history("p") == {"outputs": {}}
    assert await comfy.history("q") is None
    assert await comfy.history("r") is None


@pytest.mark.parametrize(
    ("queue", "queued"),
    [
        ({"queue_running": [[0, "p", {}, {}, []]], "queue_pending": []}, True),
        ({"queue_running": [], "queue_pending": [[1, "q", {}], [2, "p", {}]]}, True),
        ({"queue_running": [[0, "q", {}, {}, []]], "queue_pending": []}, False),
        ({}, False),
    ],
)
async def test_a_prompt_is_queued_while_it_waits_or_runs(
    server: Server, comfy: ComfyClient, queue: dict[str, Any], *, queued: bool
) -> None:
    server.answers["/queue"] = (200, json.dumps(queue))

    assert await comfy.is_queued("p") is queued


async def test_whatever_runs_is_interrupted_after_the_queue_is_cleared(server: Server, comfy: ComfyClient) -> None:
    running = {"queue_running": [[0, "p", {}, {}, []]], "queue_pending": []}
    server.answers["/queue"] = (200, json.dumps(running))

    assert await comfy.drop_all()
    assert server.asked == [
        ("POST", "/queue", {"clear": True}),
        ("GET", "/queue", None),
        ("POST", "/interrupt", {"prompt_id": "p"}),
    ]


async def test_an_empty_queue_is_left_alone(server: Server, comfy: ComfyClient) -> None:
    assert not await comfy.drop_all()
    assert ("POST", "/interrupt") not in [asked[:2] for asked in server.asked]


@pytest.mark.parametrize(
    ("history", "after"),
    [(["a", "p"], []), (["a", "p", "b", "c", "d"], ["b", "c", "d"]), (["p"], []), (["a", "b"], []), ([], [])],
)
async def test_what_ended_after_a_prompt_is_found_however_much_it_is(history: list[str], after: list[str]) -> None:
    async def newest(request: web.Request) -> web.Response:
        return web.json_response({name: {} for name in history[-int(request.query["max_items"]) :]})

    app = web.Application()
    app.router.add_get("/history", newest)
    async with served(app) as url, aiohttp.ClientSession() as http:
        assert await ComfyClient(url, http).ended_after("p") == after


async def test_comfyui_is_asked_to_forget_its_cache(server: Server, comfy: ComfyClient, nobody: ComfyClient) -> None:
    assert await comfy.forget_cache()
    assert not await nobody.forget_cache()
    assert server.asked == [("POST", "/free", {"free_memory": True})]


async def test_a_comfyui_that_is_not_there_does_not_answer(comfy: ComfyClient, nobody: ComfyClient) -> None:
    assert await comfy.answers()
    assert await comfy.stats() == {}
    assert not await nobody.answers()
    assert await nobody.stats() is None


@pytest.mark.parametrize(("status", "body"), [(500, "oops"), (404, ""), (200, "<html>"), (200, "{")])
async def test_an_answer_that_cannot_be_read_means_that_comfyui_cannot_be_asked(
    server: Server, comfy: ComfyClient, status: int, body: str
) -> None:
    server.answers["/queue"] = (status, body)

    with pytest.raises(ComfyUnreachable):
        await comfy.is_queued("p")


async def test_no_answer_in_time_means_that_comfyui_cannot_be_asked() -> None:
    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    async with aiohttp.ClientSession() as http:
        comfy = ComfyClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", http)

        assert await comfy.stats(timeout_s=0.05) is None
    server.close()


async def test_the_socket_announces_what_it_understands_and_receives_messages(
    server: Server, comfy: ComfyClient
) -> None:
    frame = b"\x00\x00\x00\x01\x00\x00\x00\x01\xff\xd8"
    server.frames = ['{"type": "status", "data": {}}', frame]

    async with comfy.socket("me") as socket:
        received = [await socket.receive(5) for _ in range(2)]
        nothing = await socket.receive(0.02)

    assert server.hello[0] == "me"
    assert json.loads(server.hello[1])["data"] == {"supports_preview_metadata": True}
    assert received == [Message("status", {}), PreviewFrame(image=b"\xff\xd8", image_type="image/jpeg")]
    assert nothing is None


@pytest.mark.parametrize("frame", ["not json", "[]", b"\x00", b""])
async def test_a_message_that_cannot_be_read_is_skipped(
    server: Server, comfy: ComfyClient, frame: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server.frames = [frame, '{"type": "status", "data": {}}']

    async with comfy.socket("me") as socket:
        assert await socket.receive(5) is None
        assert await socket.receive(5) == Message("status", {})

    assert "is skipped" in caplog.text


async def test_a_closed_socket_says_so(server: Server, comfy: ComfyClient) -> None:
    async with comfy.socket("me") as socket:
        await socket._socket.close()

        with pytest.raises(ComfyUnreachable, match="closed"):
            await socket.receive(5)


async def test_no_socket_without_comfyui(nobody: ComfyClient) -> None:
    with pytest.raises(ComfyUnreachable, match="no websocket"):
        async with nobody.socket("me"):
            pass


async def test_no_text_of_comfyui_has_the_token_that_a_node_was_given(server: Server, comfy: ComfyClient) -> None:
    """An error of ComfyUI names all inputs of its node, also hidden ones."""
    token = 'the-"token"-of-an-account'
    inputs = {"current_inputs": {"auth_token": [token]}}
    server.answers["/history/p"] = (200, json.dumps({"p": {"status": {"messages": [["execution_error", inputs]]}}}))
    server.frames = [json.dumps({"type": "execution_error", "data": inputs})]
    comfy.withhold([token])
    async with comfy.socket("me") as socket:
        message = await socket.receive(5)
    entry = await comfy.history("p")

    assert isinstance(message, Message)
    assert message.data == {"current_inputs": {"auth_token": ["[secret]"]}}
    assert entry == {"status": {"messages": [["execution_error", message.data]]}}
