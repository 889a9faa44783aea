"""Where a workflow says that its models come from, as ComfyUI's templates do. Pure.

Source: ComfyUI's workflow JSON, ``properties.models`` of a node (name, url, directory, sometimes hash and hash_type),
also in ``definitions.subgraphs``, and ``models`` of older files. All of it is data from outside.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from wire.addresses import AddressRefused, Origin, origin_of
from wire.model_kinds import is_listed, models_named
from wire.names import NameRefused, confined_path

HOSTS = "huggingface.co,civitai.com"
"""from which models are fetched unless the settings allow more"""

_NODES_MAX, _NAMED_MAX, _DEEPEST = 20_000, 5_000, 10
_ADDRESS_MAX, _NAME_MAX = 4_096, 500
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_KIND = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")
_PORTS = {"http": 80, "https": 443}


class NamedModel(NamedTuple):
    """A model with the address that a workflow gives it."""

    kind: str
    name: str
    url: str
    sha256: str | None = None


class Hosts:
    """The hosts from which models may be fetched. *text* has their names, separated by commas.

    One with ``http://`` before it, or with a port, is a server of the person's own.
    """

    def __init__(self, text: str) -> None:
        self.origins = frozenset(_origin_of_host(name.strip()) for name in text.split(",") if name.strip())

    def __str__(self) -> str:
        return ", ".join(sorted(origin.host for origin in self.origins))

    def allow(self, origin: Origin) -> bool:
        return origin in self.origins

    @property
    def own(self) -> frozenset[Origin]:
        """The ones that need not be public."""
        return frozenset(origin for origin in self.origins if origin.scheme == "http" or origin.port != 443)


def _origin_of_host(name: str) -> Origin:
    return origin_of(name if "://" in name else f"https://{name}")


def named_models(workflow: Any, hosts: Hosts) -> tuple[NamedModel, ...]:
    """The models that *workflow* names with an address of one of *hosts*, each once; others are left out."""
    found: dict[NamedModel, None] = {}
    for entry in _entries(workflow):
        model = checked(entry, hosts) if isinstance(entry, dict) else None
        if model is not None:
            found[model] = None
        if len(found) >= _NAMED_MAX:
            break
    return tuple(found)


def checked(entry: Mapping[str, Any], hosts: Hosts) -> NamedModel | None:
    """The model of an entry with name, url and directory; None when any of them cannot be what it should be.

    The directory may be an older name of the kind (``unet``), or a folder in that of the kind.
    """
    name, url, directory = entry.get("name"), entry.get("url"), entry.get("directory")
    if not isinstance(name, str) or not isinstance(url, str) or not isinstance(directory, str):
        return None
    kind, name = next(models_named(f"{directory}/{name}"), ("", ""))
    address = allowed_address(url, hosts) if is_model_name(kind, name) else None
    return None if address is None else NamedModel(kind, name, address, _sha256(entry))


def is_model_name(kind: str, name: str) -> bool:
    """Whether a model can have this name below the folder of *kind*, on this machine and on a worker.

    It has the ending of a model: nothing that ComfyUI would run or read as a setting.
    """
    try:
        confined_path(name)
    except NameRefused:
        return False
    is_plain = len(name) <= _NAME_MAX and "\\" not in name and _KIND.fullmatch(kind) is not None
    return is_plain and is_listed(kind, name)


def allowed_address(url: str, hosts: Hosts) -> str | None:
    """*url* as it is fetched, from one of *hosts* and without credentials; None for any other.

    A page of a file at Hugging Face (``/blob/``) becomes the file itself (``/resolve/``).
    """
    try:
        origin = origin_of(url)
        parts = urlsplit(url)
    except (AddressRefused, ValueError):
        return None
    if len(url) > _ADDRESS_MAX or not url.isascii() or not url.isprintable() or " " in url or not hosts.allow(origin):
        return None
    path = parts.path
    if origin.host == "huggingface.co":
        path = re.sub(r"^(/[^/]+/[^/]+)/blob/", r"\1/resolve/", path)
    port = "" if origin.port == _PORTS[origin.scheme] else f":{origin.port}"
    return urlunsplit((origin.scheme, f"{origin.host}{port}", path, parts.query, ""))


def model_named(models: Iterable[NamedModel], kind: str, name: str) -> NamedModel | None:
    """The one for the model *name* of *kind*: of the same kind, or the only one of that name."""
    last = name.rpartition("/")[2]
    same = [model for model in models if model.name in (name, last)]
    of_kind = [model for model in same if model.kind == kind]
    addresses = {model.url for model in same}
    return of_kind[0] if of_kind else same[0] if len(addresses) == 1 else None


def _sha256(entry: Mapping[str, Any]) -> str | None:
    """Under whatever key the entry has it."""
    kind, text = entry.get("hash_type"), entry.get("hash")
    is_sha256 = isinstance(kind, str) and kind.lower().replace("-", "") == "sha256"
    return text.lower() if is_sha256 and isinstance(text, str) and _SHA256.fullmatch(text) else None


def _entries(workflow: Any) -> Iterator[Any]:
    if not isinstance(workflow, dict):
        return
    yield from _listed(workflow.get("models"))
    for node in _nodes(workflow):
        properties = node.get("properties") if isinstance(node, dict) else None
        yield from _listed(properties.get("models")) if isinstance(properties, dict) else ()


def _nodes(workflow: Mapping[str, Any], depth: int = 0) -> Iterator[Any]:
    """The nodes of a workflow and of the subgraphs in it, which may define more."""
    if depth > _DEEPEST:
        return
    yield from _listed(workflow.get("nodes"))
    definitions = workflow.get("definitions")
    for subgraph in _listed(definitions.get("subgraphs")) if isinstance(definitions, dict) else ():
        if isinstance(subgraph, dict):
            yield from _nodes(subgraph, depth + 1)


def _listed(value: Any) -> list[Any]:
    return value[:_NODES_MAX] if isinstance(value, list) else []
