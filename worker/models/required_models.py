"""RequiredModels: downloads the models that every job of this worker needs, and the models that one job asks for."""

from collections.abc import Iterable
from pathlib import Path

from wire.errors import WireError
from wire.models import ModelRef
from wire.yaml_text import TEXT_MAX
from worker.models.downloads import Downloads, ModelUnavailable, Report
from worker.models.manifest import read_manifest

_ON_VOLUME = ("models.yaml", "models.yml", "models.json")


class RequiredModels:
    """*manifest* is YAML or JSON, or the path of a file with it; *root*, the folder of models, may hold another."""

    def __init__(self, downloads: Downloads, root: Path, manifest: str | None) -> None:
        self._downloads, self._root, self._manifest = downloads, root, manifest
        self._manifests_done = False

    async def ensure(self, wanted: Iterable[ModelRef], report: Report) -> bool:
        """Downloads what is missing of them, and reports the progress; raises ModelUnavailable. Whether one was."""
        one_was_missing = False
        if not self._manifests_done:
            one_was_missing = await self._downloads.ensure(self._of_manifests(), report)
            self._manifests_done = True
        return await self._downloads.ensure(wanted, report) or one_was_missing

    def _of_manifests(self) -> list[ModelRef]:
        files = [self._root / name for name in _ON_VOLUME]
        texts = {str(file): _text_of(file, str(file)) for file in files if file.is_file()}
        if self._manifest:
            texts["MODELS_MANIFEST"] = self._text(self._manifest)
        return [model for where, text in texts.items() for model in _read(where, text)]

    def _text(self, manifest: str) -> str:
        if not manifest.lstrip().startswith("/"):
            return manifest
        return _text_of(Path(manifest.strip()), "MODELS_MANIFEST")


def _text_of(path: Path, where: str) -> str:
    """At most so much that its reader refuses it."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(TEXT_MAX + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnavailable(f"{where}: {error}") from error


def _read(where: str, text: str) -> tuple[ModelRef, ...]:
    try:
        return read_manifest(text)
    except WireError as error:
        raise ModelUnavailable(f"{where}: {error}") from error
