"""Catalog: what the workers of an endpoint have: node classes, models, versions, GPU.

It is data from outside: whoever reads one must expect any text in it, and confine what names a file.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wire import plain_json
from wire.errors import WireError
from wire.limits import CATALOG_MAX, CATALOG_PACKED_MAX, PROTOCOL

_VALUES_MAX, _DEEPEST = 2_000_000, 40
Text = Annotated[str, Field(max_length=300)]


class Pack(BaseModel):
    """A custom node pack: its folder, and the version or the commit that is there; empty when neither is known."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Text
    version: Text = ""
    commit: Text = ""


class Catalog(BaseModel):
    """What one worker has. All workers of an endpoint share an image and a volume, so it stands for them all."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    protocol: int = PROTOCOL
    comfyui: Text = ""
    """version, as /system_stats has it"""
    frontend: Text = ""
    packs: tuple[Pack, ...] = Field(default=(), max_length=2_000)
    gpu: Text = ""
    vram: int = Field(default=0, ge=0)
    """bytes"""
    nodes: dict[str, dict[str, Any]] = {}
    """ComfyUI's /object_info; the choices of inputs that name input files are empty"""
    models: dict[str, dict[str, int]] = {}
    """kind, such as ``checkpoints`` -> path below it, with ``/`` -> bytes"""
    model_inputs: dict[str, dict[str, str]] = {}
    """class -> input -> the kind whose models it offers"""
    on_volume: dict[str, tuple[str, ...]] = {}
    """of *models*, by kind: the ones that lie in the worker's MODELS_DIR; the others are in its image"""


def encode_catalog(catalog: Catalog) -> tuple[bytes, str]:
    """The catalog, compressed, and the SHA-256 that tells it from others: equal catalogs have equal ones."""
    text = json.dumps(catalog.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), allow_nan=False)
    raw = text.encode()
    return zlib.compress(raw, 6), hashlib.sha256(raw).hexdigest()


def decode_catalog(packed: bytes, sha256: str) -> Catalog:
    """The catalog that :func:`encode_catalog` packed. It takes a while: use a thread. Raises WireError."""
    if len(packed) > CATALOG_PACKED_MAX:
        raise WireError(f"a catalog of {len(packed):,} bytes is too large")
    decoder = zlib.decompressobj()
    try:
        raw = decoder.decompress(packed, CATALOG_MAX + 1)
    except zlib.error as error:
        raise WireError(f"a catalog cannot be unpacked: {error}") from error
    if len(raw) > CATALOG_MAX or not decoder.eof:
        raise WireError("a catalog is too large, or ends too soon")
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise WireError("a catalog arrived with another content than the worker sent")
    return _read(raw)


def _read(raw: bytes) -> Catalog:
    if sum(map(raw.count, (b",", b"[", b"{"))) > _VALUES_MAX:
        raise WireError(f"a catalog has more than {_VALUES_MAX:,} values")
    try:
        value = plain_json.loads(raw)
        if plain_json.is_deeper(value, _DEEPEST):
            raise WireError("a catalog is nested too deeply")
        return Catalog.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise WireError(f"a catalog cannot be read: {first['loc'][:3]}: {first['msg']}") from None
    except ValueError as error:
        raise WireError(f"a catalog is not JSON: {error}") from error


def kinds_by_input(catalog: Catalog, class_type: str) -> Mapping[str, str]:
    """The kind of model that each input of the class offers."""
    return catalog.model_inputs.get(class_type, {})
