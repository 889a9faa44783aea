"""Where prompts are accepted: the addon Submit, with what is known of an endpoint."""

from dataclasses import dataclass

import aiohttp

from engine.catalog.approved_models import ApprovedModels
from engine.catalog.catalogs import Catalogs
from engine.catalog.definitions import Definitions
from engine.catalog.knowledge import Knowledge
from engine.comfyui import ComfyUI
from engine.files.prompt_paths import PromptPaths
from engine.prompt.named_models import HOSTS, Hosts
from proxy.addons.submit import Submit
from proxy.prompt_checks import PromptChecks
from proxy.run_anyway import RunAnyway
from tests.proxy.addons.conftest import Desk
from wire.catalog import Catalog
from wire.ids import PromptId

NEW = PromptId("22222222-2222-4222-8222-222222222222")
"""the id that prompts get"""


@dataclass
class Counter:
    """*desk* has what was accepted."""

    desk: Desk
    comfyui: ComfyUI
    checks: PromptChecks
    catalogs: Catalogs
    approved: ApprovedModels
    run_anyway: RunAnyway

    def submit(self, *, hand_account: bool = False) -> Submit:
        parts = (self.comfyui, self.desk.dispatcher, self.desk.store, lambda: NEW, lambda: 7, self.checks)
        return Submit(*parts, hand_account=hand_account)


def counter(
    desk: Desk, session: aiohttp.ClientSession, url: str, known: Catalog | None = None, age_ms: int = 0
) -> Counter:
    """*age_ms*: how long ago a worker confirmed what is *known*."""
    comfyui, catalogs, run_anyway = ComfyUI(url, session), Catalogs(["e"], lambda: 0), RunAnyway(lambda: 1.0)
    if known is not None:
        catalogs.received("e", known, "sha")
    approved = ApprovedModels(desk.folder / "approved.json", catalogs, lambda: 0)
    definitions = Definitions(comfyui.node_info, catalogs, lambda: age_ms, comfyui.version)
    knowledge = Knowledge(catalogs, definitions, approved)
    checks = PromptChecks(comfyui, PromptPaths(comfyui), knowledge, run_anyway, Hosts(HOSTS), desk.pages)
    return Counter(desk, comfyui, checks, catalogs, approved, run_anyway)
