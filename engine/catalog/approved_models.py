"""ApprovedModels: the models that the person wants workers to fetch, each asked for once.

They are kept in a small file over restarts. A prompt that names one carries it to the worker, which looks first and
fetches only what is not there.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from engine.catalog.catalogs import Catalogs
from engine.prompt.named_models import is_model_name
from storage.atomic import atomic
from storage.private import private_file, private_folder
from wire.catalog import Catalog
from wire.graph import Prompt, unwrapped
from wire.model_kinds import folder_on_volume
from wire.models import ModelRef

logger = logging.getLogger(__name__)

_MOST = 2_000
"""models; the oldest are forgotten"""
_ON_THE_WAY_MS = 24 * 60 * 60 * 1000
_FILE_MAX = 8 * 1024 * 1024


class ApprovedModel(BaseModel):
    """*size* is what the person was told, in bytes; None when the host did not say."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str = Field(max_length=100)
    name: str = Field(max_length=500)
    url: str = Field(max_length=4096)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    size: int | None = Field(default=None, ge=0, lt=2**63)
    approved_ms: int = 0

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""


_LIST = TypeAdapter(list[ApprovedModel])


class ApprovedModels:
    """Kept in the file *path*; *now_ms* is the wall's clock."""

    def __init__(self, path: Path, catalogs: Catalogs, now_ms: Callable[[], int]) -> None:
        self._path, self._catalogs, self._now_ms = path, catalogs, now_ms
        self._approved = {(model.kind, model.name): model for model in _read(path)}
        self._writing = asyncio.Lock()

    def on_their_way(self) -> Mapping[str, Collection[str]]:
        """The names, by kind, of what was approved within a day: what has not come by then may never come."""
        oldest_ms = self._now_ms() - _ON_THE_WAY_MS
        names: dict[str, set[str]] = {}
        for (kind, name), model in self._approved.items():
            if model.approved_ms >= oldest_ms:
                names.setdefault(kind, set()).add(name)
        return names

    async def approve(self, models: Iterable[ApprovedModel]) -> None:
        """The person has said yes to *models*. They are on the disk when this returns; raises OSError."""
        async with self._writing:
            now_ms = self._now_ms()
            new = {(one.kind, one.name): one.model_copy(update={"approved_ms": now_ms}) for one in models}
            kept = {key: model for key, model in self._approved.items() if key not in new} | new
            kept = dict(list(kept.items())[-_MOST:])
            await asyncio.to_thread(_write, self._path, list(kept.values()))
            self._approved = kept

    def wanted(self, prompt: Prompt, endpoint_id: str) -> tuple[ModelRef, ...]:
        """The approved models that *prompt* names, for a worker of this endpoint."""
        known = self._catalogs.of(endpoint_id)
        catalog = Catalog() if known is None else known.catalog
        named = _texts(prompt)
        found = (model for (_, name), model in self._approved.items() if name in named)
        return tuple(_reference(model, catalog) for model in found if not _is_in_image(model, catalog))


def _texts(prompt: Prompt) -> frozenset[str]:
    values = (unwrapped(value) for node in prompt.values() for value in node.get("inputs", {}).values())
    return frozenset(value for value in values if isinstance(value, str))


def _is_in_image(model: ApprovedModel, catalog: Catalog) -> bool:
    """Whether the workers have it elsewhere than in MODELS_DIR: there it would be fetched a second time."""
    is_there = model.name in catalog.models.get(model.kind, {})
    return is_there and model.name not in catalog.on_volume.get(model.kind, ())


def _reference(model: ApprovedModel, catalog: Catalog) -> ModelRef:
    """With the size that was agreed to. A file that is there already counts whatever its size is."""
    is_there = model.name in catalog.models.get(model.kind, {})
    return ModelRef(
        source=model.url,
        folder=folder_on_volume(model.kind),
        filename=model.name,
        size=None if is_there else model.size,
        sha256=model.sha256,
    )


def _read(path: Path) -> list[ApprovedModel]:
    """What the file has; nothing when it cannot be read, since a person can say yes again."""
    try:
        with path.open("rb") as file:
            models = _LIST.validate_python(json.loads(file.read(_FILE_MAX)))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        logger.warning("%s cannot be read, so each model is asked for again: %s", path, error)
        return []
    return [model for model in models[-_MOST:] if is_model_name(model.kind, model.name)]


def _write(path: Path, models: list[ApprovedModel]) -> None:
    private_folder(path.parent)
    with atomic(path, durable=True) as part:
        private_file(part).write_bytes(_LIST.dump_json(models, indent=1))
