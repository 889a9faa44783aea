"""The ComfyUIs under contract: the sandbox always, a real one when COMFYUI_DIR names it."""

import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.support.comfyui import OWN_NODES, SANDBOX, comfyui_process
from tests.support.until import until

REAL = bool(os.environ.get("COMFYUI_DIR") and os.environ.get("COMFYUI_PYTHON"))
NO_REAL = "set COMFYUI_DIR and COMFYUI_PYTHON to hold a real ComfyUI to the same contract"


@dataclass
class Server:
    """A ComfyUI and its folders."""

    url: str
    data: Path
    session: aiohttp.ClientSession
    kind: str = "sandbox"

    async def get(self, path: str) -> Any:
        async with self.session.get(self.url + path) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        async with self.session.post(self.url + path, json=body) as response:
            text = await response.text()
            return response.status, await response.json() if text and response.status < 500 else text

    async def queue(self, prompt: dict[str, Any], **more: Any) -> str:
        status, body = await self.post("/prompt", {"prompt": prompt, **more})
        assert status == 200, body
        return str(body["prompt_id"])

    async def history(self, prompt_id: str) -> dict[str, Any]:
        async def entry() -> Any:
            return (await self.get(f"/history/{prompt_id}")).get(prompt_id)

        found: dict[str, Any] = await until(entry, 60)
        return found

    async def upload(self, name: str, content: bytes, **fields: str) -> tuple[int, Any]:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("image", content, filename=name, content_type="application/octet-stream")
        for key, value in fields.items():
            form.add_field(key, value)
        async with self.session.post(self.url + "/upload/image", data=form) as response:
            return response.status, await response.json() if response.status == 200 else None


COMFYUIS = ("sandbox", pytest.param("real", marks=pytest.mark.skipif(not REAL, reason=NO_REAL)))


def program(kind: str) -> tuple[Path, Path, tuple[str, ...]]:
    """Folder, interpreter and arguments of the ComfyUI."""
    if kind == "real":
        return Path(os.environ["COMFYUI_DIR"]), Path(os.environ["COMFYUI_PYTHON"]), ("--cpu", *OWN_NODES)
    return SANDBOX, Path(sys.executable), ()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=COMFYUIS)
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    data = tmp_path_factory.mktemp("comfyui")
    home, python, args = program(request.param)
    async with comfyui_process(home, python, data, args) as url, aiohttp.ClientSession() as session:
        yield Server(url, data, session, request.param)
