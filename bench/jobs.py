"""Jobs from Run to the picture, beside the same prompt run locally or sent to the endpoint by hand."""

import asyncio
import sqlite3
import time
import uuid
from contextlib import closing
from typing import Any

import aiohttp

from bench.report import Limit, Row
from tests.support.prompts import inverted_image
from tests.support.stack import Stack
from tests.support.until import until
from wire.batch import decode_batch
from wire.ids import PromptId
from wire.job import JobRequest, encode_request

_POSTS, _RUNS, _PICTURES = 20, 8, 8
_HEARD_S = 60


def four_megabytes(seed: int) -> dict[str, Any]:
    """A prompt whose PNG has about 4 MB: noise does not compress."""
    return {
        "1": {"class_type": "SandboxNoise", "inputs": {"width": 1170, "height": 1170, "seed": seed}},
        "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "bench", "images": ["1", 0]}},
    }


async def answer_time(stack: Stack) -> list[Row]:
    """How long POST /prompt takes while earlier jobs run."""
    ours, local = [], []
    posted = []
    for number in range(_POSTS):
        took, prompt_id = await _post(stack.session, stack.url, inverted_image(number))
        ours.append(took)
        posted.append(prompt_id)
        local.append((await _post(stack.session, stack.comfyui_url, inverted_image(number)))[0])
    for prompt_id in posted:
        await stack.history(prompt_id)
    return [
        Row("POST /prompt, answer", "ms", ours, {"direct": local}, Limit(50)),
        Row(f"POST /prompt, slowest of {_POSTS}", "ms", [max(ours)], {"direct": [max(local)]}, Limit(50)),
    ]


async def _post(session: aiohttp.ClientSession, url: str, prompt: dict[str, Any], sid: str = "") -> tuple[float, str]:
    began = time.perf_counter()
    async with session.post(f"{url}/prompt", json={"prompt": prompt, "client_id": sid}) as response:
        response.raise_for_status()
        prompt_id = (await response.json())["prompt_id"]
    return (time.perf_counter() - began) * 1000, prompt_id


async def start_time(stack: Stack) -> Row:
    """From Run to the first line of the handler, beside a plain POST /run."""
    ours, by_hand = [], []
    for number in range(_RUNS):
        pressed = time.time() * 1000
        _, prompt_id = await _post(stack.session, stack.url, inverted_image(number))
        await stack.history(prompt_id)
        ours.append(_handler_started(stack, prompt_id) - pressed)
        by_hand.append(await _start_by_hand(stack, number))
    return Row("Run → handler start", "ms", ours, {"POST /run": by_hand})


def _handler_started(stack: Stack, prompt_id: str) -> int:
    database = stack.home / "jobs.sqlite"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT run_started FROM jobs WHERE prompt_id = ?", (prompt_id,)).fetchone()
    return int(found[0])


async def _start_by_hand(stack: Stack, number: int) -> float:
    """The same for a job that is sent to the endpoint without the proxy."""
    request = JobRequest(workflow=inverted_image(number), prompt_id=PromptId(str(uuid.uuid4())))
    endpoint, key = f"{stack.endpoint_url}/sandbox", {"Authorization": f"Bearer {stack.endpoint_key}"}
    pressed = time.time() * 1000
    async with stack.session.post(f"{endpoint}/run", json={"input": encode_request(request)}, headers=key) as response:
        response.raise_for_status()
        job_id = (await response.json())["id"]
    started, status = 0, ""
    while status not in ("COMPLETED", "FAILED"):
        async with stack.session.get(f"{endpoint}/stream/{job_id}", headers=key) as response:
            answer = await response.json()
        status = answer["status"]
        started = next((decode_batch(part["output"]).started for part in answer["stream"]), started)
    return started - pressed


async def delivery_time(stack: Stack) -> Row:
    """From the end of the prompt in the worker's ComfyUI to `executed` in the browser's socket, for a 4 MB PNG."""
    ours, local = [], []
    for number in range(_PICTURES):
        ours.append(await _delivery(stack.session, stack.url, number))
        local.append(await _delivery(stack.session, stack.comfyui_url, number))
    # ComfyUI says `executed` just before the end: its own figure is about zero and may be negative
    return Row("worker finish → executed, 4 MB PNG", "ms", ours, {"direct": local}, Limit(150), compared=False)


async def _delivery(session: aiohttp.ClientSession, url: str, seed: int) -> float:
    sid = uuid.uuid4().hex
    async with session.ws_connect(f"{url}/ws?clientId={sid}", max_msg_size=0) as socket:
        _, prompt_id = await _post(session, url, four_megabytes(seed), sid)
        async with asyncio.timeout(_HEARD_S):
            heard_ms = await _heard_at(socket, prompt_id)

    async def entry() -> Any:
        async with session.get(f"{url}/history/{prompt_id}") as response:
            return (await response.json()).get(prompt_id)

    history: dict[str, Any] = await until(entry)
    finished = next(data for kind, data in history["status"]["messages"] if kind == "execution_success")
    return heard_ms - float(finished["timestamp"])


async def _heard_at(socket: aiohttp.ClientWebSocketResponse, prompt_id: str) -> float:
    """When the socket brought the news that the picture is there, in milliseconds since the epoch."""
    async for received in socket:
        now_ms = time.time() * 1000
        if received.type is not aiohttp.WSMsgType.TEXT:
            continue
        message = received.json()
        if message["type"] == "executed" and message["data"]["prompt_id"] == prompt_id:
            return now_ms
    raise ConnectionError("the socket was closed before the picture came")
