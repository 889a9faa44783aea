"""What a page posts to a node reaches the worker's ComfyUI; nothing else does, whoever writes into the letter box."""

import json
from itertools import product
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from proxy.addons.guard import Guard
from proxy.addons.letters import Letters
from proxy.addons.streaming import Streaming
from proxy.asking_jobs import AskingJobs
from tests.proxy.addons.conftest import running_front, running_upstream
from tests.proxy.addons.test_letters import JOB, Box
from tests.proxy.test_asking_jobs import FIREFOX, PAGE, Pages
from tests.support.flows import Sink
from tests.support.served import served
from tests.support.until import until
from wire.comfy import CustomMessage, Message
from wire.letters import decode_letters
from worker.comfyui.client import ComfyClient
from worker.comfyui.letter_carrier import LetterCarrier

OWN = [
    *("/prompt", "/queue", "/interrupt", "/free", "/history", "/upload/image", "/upload/mask", "/users", "/settings"),
    *("/settings/Comfy.X", "/userdata/a.json", "/internal/logs/subscribe", "/jobs/cancel", "/assets/prune", "/view"),
    *("/customnode/install/git_url", "/customnode/install/pip", "/manager/queue/install", "/v2/manager/queue/batch"),
    *("/snapshot/restore", "/model/install", "/runpod/api/jobs/x/cancel", "/pack/reboot", "/pack/download"),
]
SPELLINGS = [
    "{}",
    "/api{}",
    "/{}",
    "/x/..{}",
    "/x/%2e%2e{}",
    "/x%2f..{}",
    "/.{}",
    "/api/api{}",
    "{}/",
    "{}#x",
    "{}%00",
]


def written(path: str) -> str:
    """*path* with its first letter encoded."""
    return f"/%{ord(path[1]):02x}{path[2:]}"


ATTEMPTS = [
    *(spelling.format(path) for path, spelling in product(OWN, SPELLINGS)),
    *(path.upper() for path in OWN),
    *map(written, OWN),
]


async def test_a_box_that_somebody_else_has_filled_reaches_no_route_of_comfyuis_own() -> None:
    """Whoever can write on the volume can write into a box, if they find its name."""
    items = [
        {"id": f"{number:032x}", "run": "run", "path": path, "content_type": "application/json", "body": "e30="}
        for number, path in enumerate([*ATTEMPTS, "/chooser/answer"])
    ]
    got: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        got.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    box = FullBox([json.dumps({"letters": items[at : at + 50]}).encode() for at in range(0, len(items), 50)])

    async def all_were_read() -> bool:
        return bool(got) and not box.contents

    async with (
        served(app) as url,
        aiohttp.ClientSession() as http,
        LetterCarrier(box, ComfyClient(url, http), "run", pace_s=0.001).carrying(),
    ):
        await until(all_were_read)

    assert got == ["/chooser/answer"]


class FullBox:
    """Has another content each time."""

    def __init__(self, contents: list[bytes]) -> None:
        self.contents = contents

    async def news(self) -> bytes | None:
        return self.contents.pop(0) if self.contents else None


@pytest.mark.parametrize("path", ATTEMPTS)
def test_a_letter_to_a_route_of_comfyuis_own_is_not_a_letter(path: str) -> None:
    item = {"id": "0" * 32, "run": "run", "path": path, "content_type": "", "body": ""}

    assert decode_letters(json.dumps({"letters": [item]}).encode()) == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "rebound.example"},
    ],
)
async def test_a_page_of_another_site_answers_no_node(headers: dict[str, str]) -> None:
    box, pages = Box(), Pages()
    questions = AskingJobs(pages, lambda _: None)
    asked: tuple[Any, ...] = (
        Message("execution_start", {"prompt_id": JOB}),
        Message("executing", {"node": "5", "prompt_id": JOB}),
        CustomMessage("chooser-asks", {"id": "5"}),
    )
    questions.publish(JOB, PAGE, asked)
    sink = Sink()
    async with running_upstream() as upstream, aiohttp.ClientSession() as session:
        addons = [Guard(sink, allow_remote=False), Streaming(), Letters(questions, box, lambda _: "run")]
        async with running_front(upstream.url, addons) as url:
            foreign = {"User-Agent": FIREFOX, **headers}
            async with session.post(f"{url}/chooser/answer", data=b"{}", headers=foreign) as refused:
                statuses = [refused.status]
            async with session.post(f"{url}/chooser/answer", data=b"{}", headers={"User-Agent": FIREFOX}) as own:
                statuses.append(own.status)

    assert statuses == [403, 200]
    assert [letter.content() for _, letter in box.letters] == [b"{}"]
