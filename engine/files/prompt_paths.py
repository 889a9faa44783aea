"""PromptPaths: looks up what the texts of a prompt name on this machine."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from engine.local_paths import LocalPaths
from engine.prompt.path_texts import PathText, path_texts
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
        texts = await asyncio.to_thread(lambda: tuple(path_texts(prompt, infos)))
        if not texts:
            return PathFindings()
        return await asyncio.to_thread(self._found, prompt, texts, await self._places.local_paths())

    def _found(self, prompt: Prompt, texts: Iterable[PathText], local: LocalPaths) -> PathFindings:
        return path_findings(prompt, local.find(texts), worker_paths=self._worker_paths)
