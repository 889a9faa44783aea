"""PromptPaths: looks up what the texts of a prompt name on this machine."""

import asyncio
from typing import Protocol

from engine.local_paths import LocalPaths
from engine.prompt.path_texts import path_texts
from engine.prompt.paths import PathFindings, path_findings
from wire.file_inputs import Infos
from wire.graph import Prompt


class PathPlaces(Protocol):
    """Where ComfyUI's folders are; implemented by ComfyUI, and by folders."""

    async def local_paths(self) -> LocalPaths: ...


class PromptPaths:
    """*worker_paths*: the person has allowed texts that name files of the worker."""

    def __init__(self, places: PathPlaces, *, worker_paths: bool = False) -> None:
        self._places, self._worker_paths = places, worker_paths

    async def find(self, prompt: Prompt, infos: Infos) -> PathFindings:
        """What becomes of the paths in *prompt*. Raises ComfyUIUnavailable, ComfyUIRejected."""
        texts = tuple(path_texts(prompt, infos))
        if not texts:
            return PathFindings()
        local = await self._places.local_paths()
        found = await asyncio.to_thread(lambda: local.find(texts))
        return path_findings(prompt, found, worker_paths=self._worker_paths)
