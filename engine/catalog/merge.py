"""Merge: the node definitions that the page sees and that judge a prompt, from this machine's and the endpoint's.

A class that the endpoint has is described by the endpoint, because that is where it runs; only the files that an input
can name are this machine's. Source: ComfyUI 0.3.64 to 0.33.0, server.py ``node_info``.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from engine.catalog.shown import is_shown_name, shown_definition
from wire.catalog import Catalog
from wire.file_inputs import input_spec, names_files

Infos = Mapping[str, Any]
"""ComfyUI's /object_info, or a part of it"""

ONLY_THERE = "Only the endpoint has this node. Its own script is not on this machine, so the page shows plain widgets."
ONLY_HERE = "The endpoint does not have this node: a workflow with it cannot run there."

_NOTHING: Infos = MappingProxyType({})
_LOADERS = {
    "image_upload": ("LoadImage", "image"),
    "animated_image_upload": ("LoadImage", "image"),
    "video_upload": ("LoadVideo", "file"),
    "audio_upload": ("LoadAudio", "audio"),
    "file_upload": ("Load3D", "model_file"),
}
"""what an input with this flag offers: the same files as this input of ComfyUI's own loader"""
LOADERS = frozenset(loader for loader, _ in _LOADERS.values())
"""classes of this machine's that :func:`merged_class` needs as *loaders*"""
_MODEL_FILES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".pt2", ".bin", ".gguf", ".onnx", ".pkl")


def merged_nodes(local: Infos, known: Catalog, *, stand_in: bool = False) -> dict[str, Any]:
    """/object_info for the page: this machine's classes first, in its order, then the ones that only *known* has.

    Of a ComfyUI that only stands in for the person's own, nothing but its files is shown once the endpoint is known.
    """
    names = known.nodes if stand_in and known.nodes else dict.fromkeys([*local, *known.nodes])
    merged = ((name, merged_class(name, local.get(name), known, local)) for name in names)
    return {name: info for name, info in merged if info is not None}


def merged_class(
    name: str, local: Mapping[str, Any] | None, known: Catalog, loaders: Infos = _NOTHING
) -> dict[str, Any] | None:
    """The definition of class *name*; None if neither side has one that can be shown.

    *local* is this machine's definition of it; *loaders* has this machine's other classes, whose files the inputs of a
    class offer that only the endpoint has.
    """
    if name not in known.nodes:
        return _only_here(name, local, known)
    info = shown_definition(name, known.nodes[name])
    if info is None:
        return None if local is None else dict(local)
    for group in ("required", "optional"):
        for input_name, spec in (info["input"].get(group) or {}).items():
            if choices(spec) is not None:
                info["input"][group][input_name] = _with_choices_of_both(name, input_name, spec, local, known, loaders)
    return _described(info, ONLY_THERE) if local is None else _as_trusted(info, local, known.nodes[name])


def loaders_of(local: Infos) -> dict[str, Any]:
    """The classes of *local* that :func:`merged_class` needs as *loaders*."""
    return {name: local[name] for name, _ in _LOADERS.values() if name in local}


def _only_here(name: str, local: Mapping[str, Any] | None, known: Catalog) -> dict[str, Any] | None:
    """Without any definition of the endpoint's nobody knows whether it has the class: only its models are shown."""
    if local is None:
        return None
    if known.nodes:
        return _described(local, ONLY_HERE)
    info = dict(local)
    for input_name, kind in known.model_inputs.get(name, {}).items():
        info = _with_spec(info, input_name, known.models.get(kind))
    return info


def _with_spec(info: dict[str, Any], input_name: str, models: Iterable[str] | None) -> dict[str, Any]:
    """*info* with the endpoint's *models* as the choices; choices that are not files, such as ``None``, stay."""
    offered = choices(_spec(info, input_name))
    if models is None or offered is None:
        return info
    others = [one for one in offered if not (isinstance(one, str) and one.lower().endswith(_MODEL_FILES))]
    shown = [*filter(is_shown_name, sorted(models)), *others]
    groups = {
        group: {
            name: with_choices(spec, shown) if name == input_name and choices(spec) is not None else spec
            for name, spec in inputs.items()
        }
        if group in ("required", "optional") and isinstance(inputs, dict)
        else inputs
        for group, inputs in info["input"].items()
    }
    return {**info, "input": groups}


def _with_models(spec: Any, models: Iterable[str]) -> Any:
    """The spec with the *models* that have come since the endpoint described its nodes."""
    offered = choices(spec) or []
    known = {one for one in offered if isinstance(one, str)}
    new = [name for name in sorted(models) if name not in known and is_shown_name(name)]
    return with_choices(spec, [*offered, *new]) if new else spec


def _with_choices_of_both(
    name: str, input_name: str, spec: Any, local: Mapping[str, Any] | None, known: Catalog, loaders: Infos
) -> Any:
    """The spec with this machine's files if it names files, since they are sent with the prompt, or with all models."""
    here = _spec(local, input_name)
    if names_files(name, input_name, spec) or names_files(name, input_name, here):
        files = choices(here)
        return with_choices(spec, _loadable(spec, loaders) if files is None else files)
    kind = known.model_inputs.get(name, {}).get(input_name)
    if kind is not None:
        return _with_models(spec, known.models.get(kind, {}))
    unmarked = _unmarked_files(choices(here) or [], choices(spec) or [], loaders)
    return with_choices(spec, unmarked) if unmarked else spec


def _unmarked_files(here: list[Any], there: list[Any], loaders: Infos) -> list[Any]:
    """The choices of an input that lists ComfyUI's input folder without saying so; empty for every other input.

    So does VideoHelperSuite's Load Video. On the endpoint the same folder has whatever earlier prompts have left in it.
    """
    if not any(isinstance(one, str) and "." in one for one in here):
        return []
    listed = {str(one) for loader, key in _LOADERS.values() for one in choices(_spec(loaders.get(loader), key)) or []}
    others = [one for one in here if str(one) not in listed]
    return here if len(others) < len(here) and all(one in there for one in others) else []


def _loadable(spec: Any, loaders: Infos) -> list[Any]:
    """What the loader of the same kind of file offers on this machine."""
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    found = (_LOADERS[flag] for flag in _LOADERS if options.get(flag))
    return next((choices(_spec(loaders.get(loader), key)) or [] for loader, key in found), [])


def choices(spec: Any) -> list[Any] | None:
    """What an input offers; None if it does not offer a list of its own."""
    if not isinstance(spec, list) or not spec:
        return None
    if isinstance(spec[0], list):
        return spec[0]
    options = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
    offered = options.get("options")
    return offered if spec[0] == "COMBO" and isinstance(offered, list) else None


def with_choices(spec: list[Any], offered: list[Any]) -> list[Any]:
    """The *spec*, of an input with choices, with others."""
    if isinstance(spec[0], list):
        return [offered, *spec[1:]]
    return [spec[0], {**spec[1], "options": offered}, *spec[2:]]


def _spec(info: Any, input_name: str) -> Any:
    """As ``input_spec``; None also for a definition of an unusual shape, as custom nodes have them."""
    groups = info.get("input") if isinstance(info, Mapping) else None
    if not isinstance(groups, dict) or not all(isinstance(inputs, dict | None) for inputs in groups.values()):
        return None
    return input_spec({"input": groups}, input_name)


def _described(info: Mapping[str, Any], sentence: str) -> dict[str, Any]:
    description = info.get("description")
    return {**info, "description": f"{sentence} {description}" if isinstance(description, str) else sentence}


def _as_trusted(info: dict[str, Any], local: Mapping[str, Any], there: Mapping[str, Any]) -> dict[str, Any]:
    """A description that this machine has as well is as harmless as without the endpoint: its script may read it."""
    same = there.get("description") == local.get("description")
    return {**info, "description": there.get("description")} if same and "description" in there else info
