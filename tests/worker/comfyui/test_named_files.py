"""What the worker asks its ComfyUI before it lets a prompt name files."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.served import served
from worker.comfyui.client import ComfyClient, ComfyUnreachable, PromptRefused
from worker.comfyui.named_files import check_named_files

LOADER = {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}}
INFOS = {"LoadImage": LOADER, "Load {image}": LOADER}


@dataclass
class Asked:
    """A ComfyUI that only knows its nodes, and what it was asked."""

    client: ComfyClient
    asked: list[str] = field(default_factory=list)
    status: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name")
        self.asked.append(request.path)
        found = INFOS if name is None else {name: INFOS[name]} if name in INFOS else {}
        return web.json_response(found, status=self.status)


@pytest.fixture
async def comfy() -> AsyncIterator[Asked]:
    async with aiohttp.ClientSession() as http:
        app, asked = web.Application(), Asked(ComfyClient("", http))
        app.router.add_get("/object_info", asked.answer)
        app.router.add_get("/object_info/{name}", asked.answer)
        async with served(app) as url:
            asked.client = ComfyClient(url, http)
            yield asked


def prompt(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": kind, "inputs": inputs}, "2": {"class_type": "Text", "inputs": {"text": "a cat"}}}


async def test_nothing_is_asked_about_a_prompt_without_an_odd_text(comfy: Asked) -> None:
    await check_named_files(prompt("LoadImage", image="a.png"), comfy.client)

    assert comfy.asked == []


@pytest.mark.parametrize(("kind", "asked"), [("LoadImage", "/object_info/LoadImage"), ("Load {image}", "/object_info")])
async def test_a_file_outside_is_refused_as_comfyui_refuses(comfy: Asked, kind: str, asked: str) -> None:
    with pytest.raises(PromptRefused) as refused:
        await check_named_files(prompt(kind, image="/abs.png"), comfy.client)

    assert refused.value.error["type"] == "prompt_outputs_failed_validation"
    assert list(refused.value.node_errors) == ["1"]
    assert comfy.asked == [asked]


async def test_a_class_that_comfyui_does_not_have_is_left_to_it(comfy: Asked) -> None:
    await check_named_files(prompt("Unknown/ü", image="/abs.png"), comfy.client)

    assert comfy.asked == ["/object_info/Unknown/ü"]


async def test_what_cannot_be_judged_does_not_run(comfy: Asked) -> None:
    comfy.status = 500

    with pytest.raises(ComfyUnreachable):
        await check_named_files(prompt("LoadImage", image="/abs.png"), comfy.client)
