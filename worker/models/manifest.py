"""Manifest: which models must be there, and from which address each comes. Pure.

Addresses: Hugging Face ``/{repository}/resolve/{revision}/{path}``, Civitai ``/api/download/models/{version id}``.
"""

import re
from dataclasses import dataclass
from posixpath import basename
from urllib.parse import quote

from wire import yaml_text
from wire.addresses import AddressRefused, Origin, origin_of
from wire.errors import WireError
from wire.models import ModelRef, decode_models

_HUGGING_FACE = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.%-]+))?/(?P<path>.+)")
_CIVITAI = re.compile(r"civitai://(?P<version>\d+)")
_S3 = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<key>.+)")
_TOKENS = {Origin("https", "huggingface.co", 443): "hf", Origin("https", "civitai.com", 443): "civitai"}
_LONGEST = 230
"""bytes of a name: most disks take 255, and beside a model lie files whose names are longer"""
_FOLDER = r"[A-Za-z0-9][\w.-]{0,99}"
_KIND = re.compile(f"{_FOLDER}(/{_FOLDER})?")  # ultralytics/bbox


@dataclass(frozen=True, slots=True)
class Web:
    """*token* is the name of the secret to send: ``hf``, ``civitai`` or None."""

    url: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class S3Source:
    bucket: str
    key: str


Address = Web | S3Source


def read_manifest(text: str) -> tuple[ModelRef, ...]:
    """The models of a manifest in YAML or JSON; raises WireError."""
    try:
        value = yaml_text.loads(text)
    except ValueError as error:
        raise WireError(f"the manifest of models is not YAML: {error}") from error
    return decode_models(value)


def address(source: str) -> Address:
    """Where *source* is; raises WireError when models cannot come from there."""
    if match := _HUGGING_FACE.fullmatch(source):
        path = f"{match['repository']}/resolve/{match['revision'] or 'main'}/{quote(match['path'])}"
        return Web(f"https://huggingface.co/{path}", "hf")
    if match := _CIVITAI.fullmatch(source):
        return Web(f"https://civitai.com/api/download/models/{match['version']}", "civitai")
    if match := _S3.fullmatch(source):
        return S3Source(match["bucket"], match["key"])
    if source.startswith(("https://", "http://")):
        return Web(source, _token_for(source))
    raise WireError(
        f"{source[:200]!r} is not a source of models; these begin with https://, hf://, civitai:// or s3://"
    )


def _token_for(url: str) -> str | None:
    """A secret is sent to its own origin only."""
    try:
        return _TOKENS.get(origin_of(url))
    except AddressRefused as error:
        raise WireError(f"{url[:200]!r} is not a source of models: {error}") from error


def target_path(model: ModelRef) -> tuple[str, str]:
    """Subfolder and file name of *model* below the folder of all models; still to be confined. Raises WireError."""
    if not _KIND.fullmatch(model.folder):
        raise WireError(f"{model.folder[:200]!r} is not a folder of models")
    wanted = model.filename or basename(model.source.partition("?")[0].partition("#")[0])
    if wanted.startswith("/"):
        raise WireError(f"{wanted[:200]!r} leads out of its folder")
    if any(len(part.encode(errors="replace")) > _LONGEST for part in wanted.split("/")):
        raise WireError(f"{wanted[:200]!r} is longer than a file name may be")
    folders, _, filename = wanted.rpartition("/")
    if model.filename is None and not re.search(r"\.\w+$", filename):
        raise WireError(f"the model from {model.source[:200]!r} needs a `filename`")
    return f"{model.folder}/{folders}".rstrip("/"), filename
