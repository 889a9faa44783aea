"""What lies on the network volume by its S3 listing, and a catalog in which that has its place. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from wire.catalog import Catalog
from wire.model_kinds import KINDS, MODELS_ON_VOLUME, NESTED_KINDS, is_listed, models_named
from wire.names import NameRefused, confined_path

Models = Mapping[str, Mapping[str, int]]
"""kind -> path below it -> bytes"""

_CHOICES_MAX = 1_000_000
"""names that the changed choices of all inputs may have together; beyond it they stay as they are"""
_PREFIX = f"{MODELS_ON_VOLUME}/"


def models_in(sizes: Mapping[str, int]) -> Models:
    """The files of a listing by kind; also files that ComfyUI does not list, since a pack may."""
    found: dict[str, dict[str, int]] = {}
    for key in sorted(sizes):
        path = key.removeprefix(_PREFIX)
        if path != key and _is_plain(path):
            for kind, name in models_named(path):
                found.setdefault(kind, {}).setdefault(name, sizes[key])
    return found


def _is_plain(path: str) -> bool:
    try:
        confined_path(path)
    except NameRefused:
        return False
    return True


def with_volume(catalog: Catalog, listed: Models, *, is_newer: bool) -> Catalog:
    """The catalog with what a listing of the volume shows. A listing that *is_newer* than the catalog replaces what the
    worker saw there; else both count, because the worker may have fetched a model since.
    """
    there = {kind: _on_volume(catalog, kind, listed, is_newer=is_newer) for kind in {*catalog.on_volume, *listed}}
    models = {**catalog.models, **{kind: _merged(catalog, kind, names) for kind, names in there.items()}}
    models = {kind: names for kind, names in models.items() if names}
    on_volume = {kind: tuple(sorted(names)) for kind, names in there.items() if names}
    changed = {"models": models, "on_volume": on_volume, "nodes": _offering(catalog, models)}
    return catalog.model_copy(update=changed)


def of_image(image: Catalog, before: Catalog) -> Catalog:
    """What the build of a new image told, with what a worker told before: the GPU, and what lay on the volume."""
    lay = {
        kind: {name: size for name in names if (size := before.models.get(kind, {}).get(name)) is not None}
        for kind, names in before.on_volume.items()
    }
    machine = {"gpu": before.gpu, "vram": before.vram}
    return with_volume(image, lay, is_newer=False).model_copy(update=machine)


def _on_volume(catalog: Catalog, kind: str, listed: Models, *, is_newer: bool) -> dict[str, int]:
    seen, sizes = catalog.on_volume.get(kind, ()), catalog.models.get(kind, {})
    worker = {name: sizes[name] for name in seen if name in sizes}
    if kind not in listed and kind not in KINDS and kind not in NESTED_KINDS:
        return worker  # a pack's own kind, of whose folders only the worker knows
    shown = {name: size for name, size in listed.get(kind, {}).items() if is_listed(kind, name) or name in worker}
    return shown if is_newer else worker | shown


def _merged(catalog: Catalog, kind: str, there: Mapping[str, int]) -> dict[str, int]:
    """The models of the image, and the ones on the volume."""
    gone = set(catalog.on_volume.get(kind, ()))
    return {name: size for name, size in catalog.models.get(kind, {}).items() if name not in gone} | dict(there)


# -- the choices of inputs


def _offering(catalog: Catalog, models: Models) -> dict[str, dict[str, Any]]:
    """The definitions of nodes whose inputs offer *models* in place of the ones that the catalog had."""
    old = catalog.models
    changed = {kind for kind in {*models, *old} if models.get(kind) != old.get(kind)}
    nodes, left = dict(catalog.nodes), _CHOICES_MAX
    for class_type, kinds in catalog.model_inputs.items():
        meant = {name: kind for name, kind in kinds.items() if kind in changed}
        left -= sum(len(models.get(kind, ())) + len(old.get(kind, ())) for kind in meant.values())
        if left < 0:
            break
        if meant and class_type in nodes:
            exchange = {name: (old.get(kind, {}), models.get(kind, {})) for name, kind in meant.items()}
            nodes[class_type] = _with_choices(nodes[class_type], exchange)
    return nodes


_Exchange = Mapping[str, tuple[Iterable[str], Iterable[str]]]
"""by input: the models that it offered, and the ones that it offers now"""


def _with_choices(definition: Mapping[str, Any], exchange: _Exchange) -> dict[str, Any]:
    groups = definition.get("input")
    if not isinstance(groups, dict):
        return dict(definition)
    changed = {group: _exchanged_in(inputs, exchange) for group, inputs in groups.items() if isinstance(inputs, dict)}
    return {**definition, "input": {**groups, **changed}}


def _exchanged_in(inputs: Mapping[str, Any], exchange: _Exchange) -> dict[str, Any]:
    return {name: _offered(spec, *exchange[name]) if name in exchange else spec for name, spec in inputs.items()}


def _offered(spec: Any, old: Iterable[str], new: Iterable[str]) -> Any:
    """Both of ComfyUI's spellings: ``[[choice, …], {…}]`` and ``["COMBO", {"options": [choice, …]}]``."""
    match spec:
        case [list() as choices, *more]:
            return [list(_exchanged(choices, old, new)), *more]
        case ["COMBO", {"options": list() as choices} as options, *more]:
            return ["COMBO", {**options, "options": list(_exchanged(choices, old, new))}, *more]
        case _:
            return spec


def _exchanged(choices: Sequence[Any], old: Iterable[str], new: Iterable[str]) -> Iterator[Any]:
    """*choices* with *new* where the models began; what is not a model, such as "None", stays where it is."""
    models = {*old, *new}
    is_model = [isinstance(choice, str) and choice in models for choice in choices]
    first = is_model.index(True) if True in is_model else len(choices)
    yield from choices[:first]
    yield from sorted(new)
    yield from (choice for choice, gone in zip(choices[first:], is_model[first:], strict=True) if not gone)
