"""PromptChecks: what is asked about a prompt before it is accepted, and what its page is told of it."""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from engine.catalog.knowledge import Knowledge
from engine.comfyui import ComfyUI, ComfyUIRejected, ComfyUIUnavailable
from engine.files.prompt_paths import PromptPaths
from engine.jobs.services import Publisher
from engine.prompt.judgement import Judgement
from engine.prompt.named_models import Hosts, named_models
from engine.prompt.remedies import LocalModels, remedies
from engine.prompt.sides import Sides
from proxy.run_anyway import RunAnyway
from wire.comfy import Message
from wire.ids import ClientId, PromptId

logger = logging.getLogger(__name__)

_PAGES_MAX = 200
_KINDS_MAX = 20
_LOCAL_MODELS_S = 3.0
"""a prompt waits for its answer meanwhile"""


class PromptChecks:
    """*hosts* are where models may come from; *pages* is where people look."""

    def __init__(
        self,
        comfyui: ComfyUI,
        paths: PromptPaths,
        knowledge: Knowledge,
        run_anyway: RunAnyway,
        hosts: Hosts,
        pages: Publisher,
    ) -> None:
        self.paths = paths
        self._comfyui, self._knowledge, self._run_anyway = comfyui, knowledge, run_anyway
        self._hosts, self._pages = hosts, pages
        self._warned = dict[ClientId | None, str]()

    async def sides(self, kinds: Collection[str], client_id: ClientId | None) -> Sides:
        """The definitions that judge a prompt of this page. Raises ComfyUIUnavailable, ComfyUIRejected."""
        sides = await self._knowledge.definitions.sides(kinds)
        if self._run_anyway.is_allowed(client_id):
            sides = sides.unjudged()
        return replace(sides, on_their_way=self._knowledge.approved.on_their_way())

    async def refused(
        self, found: Judgement, body: Mapping[str, Any], client_id: ClientId | None, *, can_run_anyway: bool
    ) -> dict[str, Any] | None:
        """Tells the page why its prompt was refused, and what to do; what it was told."""
        self._run_anyway.used(client_id)
        told = await self._told(found, body, prompt_id=None, refused=True, can_run_anyway=can_run_anyway)
        if told is not None and client_id is not None:
            self._pages.publish(PromptId(""), client_id, [Message("runpod.remedies", told)])
        return told

    async def accepted(
        self, found: Judgement, body: Mapping[str, Any], client_id: ClientId | None, prompt_id: PromptId
    ) -> None:
        """Tells the page what may go wrong with its prompt, unless it knows: from the last prompt, or by its leave."""
        has_leave = self._run_anyway.is_allowed(client_id)
        self._run_anyway.used(client_id)
        told = await self._told(found, body, prompt_id=prompt_id, refused=False, can_run_anyway=False)
        if told is None or has_leave or self._knows(client_id, told["text"]):
            return
        self._pages.publish(prompt_id, client_id, [Message("runpod.remedies", told)])
        if client_id is None and found.differences:
            self._pages.notice("warn", "The endpoint has another version", told["text"])

    def _knows(self, client_id: ClientId | None, text: str) -> bool:
        is_known = self._warned.pop(client_id, None) == text
        self._warned[client_id] = text
        while len(self._warned) > _PAGES_MAX:
            del self._warned[next(iter(self._warned))]
        return is_known

    async def _told(self, found: Judgement, body: Mapping[str, Any], **facts: Any) -> dict[str, Any] | None:
        """None when there is nothing to tell. Whatever goes wrong here, the prompt goes its way."""
        if not found.says_anything:
            return None
        try:
            known = self._knowledge.catalogs.current()
            if known is None:
                return None
            local = await self._local_models(found)
            return remedies(found, known.catalog, local, named_models(_workflow(body), self._hosts), **facts)
        except Exception:  # it is only said
            logger.exception("the page is not told what the endpoint lacks")
            return None

    async def _local_models(self, found: Judgement) -> LocalModels:
        kinds = list(dict.fromkeys(model.kind for model in found.models))[:_KINDS_MAX]
        found_here = dict[str, Mapping[str, int | None]]()
        try:
            async with asyncio.timeout(_LOCAL_MODELS_S):
                for kind in kinds:
                    with contextlib.suppress(ComfyUIRejected):  # a kind that it does not know
                        found_here[kind] = await self._comfyui.models(kind)
        except (ComfyUIUnavailable, TimeoutError) as error:
            logger.warning("the models of this machine are not known: %s", error or "ComfyUI answers too late")
        return found_here


def _workflow(body: Mapping[str, Any]) -> Any:
    """The file that the page runs."""
    value: Any = body
    for name in ("extra_data", "extra_pnginfo", "workflow"):
        value = value.get(name) if isinstance(value, dict) else None
    return value
