"""Model lists: which models the page offers, in the shapes of ComfyUI's routes; the endpoint's, once they are known.

Source: ComfyUI 0.3.64 to 0.33.0, server.py (/models, /embeddings), app/model_manager.py (/experiment/models).
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from engine.catalog.shown import is_shown_name
from wire.catalog import Catalog

Entry = Mapping[str, Any]


def shown_kinds(local: list[Any], known: Catalog) -> list[Any]:
    """GET /models: this machine's kinds in its order, then the ones that only the endpoint has."""
    return [*local, *_only_there(local, known)]


def shown_models(local: list[Any], known: Catalog, kind: str) -> list[Any]:
    """GET /models/{kind}, as paths below it; *local* while nothing is known of the endpoint's models."""
    return list(_files(known, kind)) if known.models else local


def shown_embeddings(local: list[Any], known: Catalog) -> list[Any]:
    """GET /embeddings: names without their ending, as a prompt's text has them."""
    names = _files(known, "embeddings")
    return [str(PurePosixPath(name).with_suffix("")) for name in names] if known.models else local


def shown_folders(local: list[Any], known: Catalog) -> list[Any]:
    """GET /experiment/models: ``{"name", "folders"}``, since 0.33.0 with ``extensions``."""
    entries = [entry for entry in local if isinstance(entry, dict)]
    shape = {"extensions": list[str]()} if any("extensions" in entry for entry in entries) else {}
    only_there = _only_there([entry.get("name") for entry in entries], known)
    return [*local, *({"name": kind, "folders": [], **shape} for kind in only_there)]


def shown_files(local: list[Any], known: Catalog, kind: str) -> list[Any]:
    """GET /experiment/models/{kind}. A file that both have keeps its place on this machine, where its preview is.

    Of the other files only the size is known; they have no preview.
    """
    if not known.models:
        return local
    here = {str(entry.get("name")).replace("\\", "/"): entry for entry in local if isinstance(entry, dict)}
    return [
        {"pathIndex": 0, "modified": 0, "created": 0, **here.get(name, {}), "name": name, "size": size}
        for name, size in _files(known, kind).items()
    ]


def _files(known: Catalog, kind: str) -> dict[str, int]:
    return {name: size for name, size in sorted(known.models.get(kind, {}).items()) if is_shown_name(name)}


def _only_there(local: list[Any], known: Catalog) -> list[str]:
    return [kind for kind in known.models if kind not in local and is_shown_name(kind)]
