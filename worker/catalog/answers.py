"""Answers: what ComfyUI says of itself, and the catalog that this makes.

The image's build records the answers (docker/check_nodes.py), a worker asks for them; both make the catalog here.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from storage.packs import packs_in
from wire import plain_json
from wire.catalog import Catalog
from worker.catalog.definitions import JobFiles, without_files
from worker.catalog.model_inputs import model_inputs
from worker.catalog.models import model_files
from worker.comfyui.client import ComfyUnreachable

_STATS, _KINDS, _FOLDERS, _NODES = "/system_stats", "/models", "/internal/folder_paths", "/object_info"
_KINDS_MAX = 500
_NOT_MODELS = frozenset({"custom_nodes", "datasets"})
_TEXT_MAX = 300

Answers = Mapping[str, str]
"""path -> text"""


class AnswersUnreadable(Exception):
    """ComfyUI answers in another way than the releases that were tested."""


async def answers(get: Callable[[str], Awaitable[str]]) -> Answers:
    """What the catalog is made of. *get* asks ComfyUI, and raises ComfyUnreachable. Nodes last: they take longest."""
    found = {path: await get(path) for path in (_STATS, _KINDS, _FOLDERS)}
    try:
        lists = _lists(plain_json.loads(found[_KINDS]))
    except ValueError as error:
        raise AnswersUnreadable(f"{_KINDS}: not JSON") from error
    for path in lists:
        with suppress(ComfyUnreachable):  # what is not known of one kind must not hide the others
            found[path] = await get(path)
    return {**found, _NODES: await get(_NODES)}


def catalog_of(found: Answers, present: JobFiles, models_dir: Path) -> Catalog:
    """It reads megabytes and looks at files: use a thread. Raises AnswersUnreadable."""
    try:
        return _catalog({path: plain_json.loads(text) for path, text in found.items()}, present, models_dir)
    except (ValueError, KeyError) as error:  # pydantic's errors are ValueErrors
        raise AnswersUnreadable(f"ComfyUI's answers make no catalog: {type(error).__name__}: {error}") from error


def _catalog(read: Mapping[str, Any], present: JobFiles, models_dir: Path) -> Catalog:
    folders = {kind: _texts(paths) for kind, paths in _object(read[_FOLDERS]).items()}
    names = {kind: _texts(read[path]) for path, kind in _lists(read[_KINDS]).items() if path in read}
    files = model_files(names, folders, models_dir)
    nodes = plain_json.portable({name: info for name, info in _object(read[_NODES]).items() if isinstance(info, dict)})
    inputs = model_inputs(nodes, files.models)
    return Catalog(
        **_machine(_object(read[_STATS])),
        packs=packs_in(Path(folder) for folder in folders.get("custom_nodes", ())),
        nodes=without_files(nodes, present, inputs),
        models=files.models,
        model_inputs=inputs,
        on_volume=files.on_volume,
    )


def _lists(kinds: Any) -> dict[str, str]:
    """The paths of the lists of models, and the kind of each."""
    listed = [kind for kind in _texts(kinds) if kind not in _NOT_MODELS]
    return {f"{_KINDS}/{quote(kind, safe='')}": kind for kind in listed[:_KINDS_MAX]}


def _machine(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Source: ComfyUI 0.3.64 to 0.33.0, server.py ``system_stats``; the device that it uses comes first."""
    system, devices = _object(stats.get("system")), stats.get("devices")
    device = _object(devices[0]) if isinstance(devices, list) and devices else {}
    has_gpu, vram = device.get("type") not in (None, "cpu"), device.get("vram_total")
    return {
        "comfyui": _text(system.get("comfyui_version")),
        "frontend": _frontend(system),
        "gpu": _gpu(_text(device.get("name"))) if has_gpu else "",
        "vram": vram if has_gpu and isinstance(vram, int) and vram > 0 else 0,
    }


def _frontend(system: Mapping[str, Any]) -> str:
    """The version that is installed, which only newer releases tell, else the one that ComfyUI wants."""
    packages = system.get("comfy_package_versions")
    for package in map(_object, packages if isinstance(packages, list) else ()):
        if package.get("name") == "comfyui-frontend-package" and package.get("installed"):
            return _text(package["installed"])
    return _text(system.get("required_frontend_version"))


def _gpu(name: str) -> str:
    """ "cuda:0 NVIDIA L4 : cudaMallocAsync" is an "NVIDIA L4" (comfy/model_management.py ``get_torch_device_name``)."""
    words = name.partition(" : ")[0].split(" ")
    return " ".join(words[1:] if ":" in words[0] else words)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:_TEXT_MAX] if isinstance(value, str) else ""
