"""What a page is told of its prompt, whatever goes wrong on the way."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from engine.catalog.approved_models import ApprovedModels
from engine.catalog.catalogs import Catalogs
from engine.catalog.definitions import Definitions
from engine.catalog.knowledge import Knowledge
from engine.comfyui import ComfyUI
from engine.files.prompt_paths import PromptPaths
from engine.messages.translate import BrowserMessage
from engine.prompt.judgement import NOTHING_WRONG, Judgement, MissingModel, NodeRemark
from engine.prompt.named_models import HOSTS, Hosts
from proxy.prompt_checks import PromptChecks
from proxy.run_anyway import RunAnyway
from tests.support.catalogs import endpoint
from tests.support.ports import free_port
from wire.comfy import Message
from wire.ids import ClientId, PromptId

PAGE, PROMPT = ClientId("page"), PromptId("p")
LACKS = Judgement(errors={"1": ({},)}, models=(MissingModel("1", "Load", "ckpt", "checkpoints", "x.pt"),))
DIFFERS = Judgement(differences=(NodeRemark("1", "Load", "Load is another version at the endpoint."),))


class Pages:
    def __init__(self) -> None:
        self.told: list[tuple[ClientId | None, Any]] = []
        self.notices: list[str] = []

    def publish(self, prompt_id: PromptId, client_id: ClientId | None, messages: Iterable[BrowserMessage]) -> None:
        self.told += [(client_id, one.data["text"]) for one in messages if isinstance(one, Message)]

    def publish_status(self) -> None: ...

    def notice(self, severity: str, summary: str, detail: str) -> None:
        self.notices.append(detail)


def checks(folder: Path, session: aiohttp.ClientSession, pages: Pages) -> tuple[PromptChecks, RunAnyway]:
    """With a ComfyUI that does not answer."""
    comfyui, catalogs = ComfyUI(f"http://127.0.0.1:{free_port()}", session), Catalogs(["e"], lambda: 0)
    catalogs.received("e", endpoint(), "sha")
    approved = ApprovedModels(folder / "approved.json", catalogs, lambda: 0)
    knowledge = Knowledge(catalogs, Definitions(comfyui.node_info, catalogs, lambda: 0), approved)
    anyway = RunAnyway(lambda: 1.0)
    return PromptChecks(comfyui, PromptPaths(comfyui), knowledge, anyway, Hosts(HOSTS), pages), anyway


@pytest.mark.parametrize("workflow", [None, [], {"nodes": 5}, {"nodes": [{"properties": {"models": [{}]}}]}])
async def test_a_refusal_is_told_without_a_comfyui_and_whatever_the_workflow_is(tmp_path: Path, workflow: Any) -> None:
    pages = Pages()
    async with aiohttp.ClientSession() as session:
        desk, _ = checks(tmp_path, session, pages)
        body = {"extra_data": {"extra_pnginfo": {"workflow": workflow}}}
        told = await desk.refused(LACKS, body, PAGE, can_run_anyway=True)

    assert told is not None
    assert (told["models"][0]["here"], told["models"][0]["fetch"]) == (False, None)
    assert pages.told == [(PAGE, "The endpoint has no x.pt in checkpoints.")]


async def test_of_a_prompt_that_runs_each_page_is_told_a_doubt_once(tmp_path: Path) -> None:
    pages = Pages()
    async with aiohttp.ClientSession() as session:
        desk, anyway = checks(tmp_path, session, pages)
        for page in (PAGE, PAGE, ClientId("other")):
            await desk.accepted(LACKS, {}, page, PROMPT)
        await desk.accepted(NOTHING_WRONG, {}, PAGE, PROMPT)
        anyway.allow(ClientId("third"))
        await desk.accepted(LACKS, {}, ClientId("third"), PROMPT)

    assert [page for page, _ in pages.told] == [PAGE, "other"]
    assert pages.notices == []


async def test_a_script_without_a_page_makes_a_notice_of_a_difference(tmp_path: Path) -> None:
    pages = Pages()
    async with aiohttp.ClientSession() as session:
        desk, _ = checks(tmp_path, session, pages)
        await desk.accepted(DIFFERS, {}, None, PROMPT)

    assert pages.notices == ["Load is another version at the endpoint."]
