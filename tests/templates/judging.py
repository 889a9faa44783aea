"""Templates judged as the proxy would, beside what ComfyUI itself says of them. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from engine.catalog.merge import merged_class
from engine.prompt.judgement import judgement
from engine.prompt.named_models import HOSTS, Hosts, model_named, named_models
from engine.prompt.sides import Sides
from wire.catalog import Catalog
from worker.catalog.model_inputs import model_inputs

Infos = Mapping[str, Any]
Problem = tuple[str, str, str]
"""node, type of the error, input"""


class Template(NamedTuple):
    """A template as the page makes a prompt of it, and ComfyUI's answer to that: its error, and its ``node_errors``."""

    name: str
    prompt: dict[str, Any]
    workflow: dict[str, Any]
    error: Mapping[str, Any] | None
    node_errors: Mapping[str, Any]


class Outcome(NamedTuple):
    """*false*: what we refuse and ComfyUI does not; *unseen*: what ComfyUI refuses and we leave to it."""

    false: frozenset[Problem]
    unseen: frozenset[Problem]
    missing: tuple[tuple[str, str], ...]
    """models that an endpoint without any lacks: kind and name"""
    without_address: tuple[tuple[str, str], ...]
    named: int
    """models that the file gives an address"""


def catalog_of(nodes: Infos, models: Mapping[str, Mapping[str, int]], *, has_models: bool) -> Catalog:
    """What a worker with these *nodes* and *models* tells, or the same worker without the models."""
    kinds = model_inputs(nodes, models)
    if has_models:
        return Catalog(nodes=dict(nodes), models={k: dict(v) for k, v in models.items()}, model_inputs=kinds)
    bare = {
        name: _without(info, {key: models[kind] for key, kind in kinds.get(name, {}).items()})
        for name, info in nodes.items()
    }
    return Catalog(nodes=bare, models={kind: {} for kind in models}, model_inputs=kinds)


def _without(info: Mapping[str, Any], gone: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    groups = {
        group: {key: _bare(spec, frozenset(gone[key])) if key in gone else spec for key, spec in inputs.items()}
        if isinstance(inputs, dict)
        else inputs
        for group, inputs in (info.get("input") or {}).items()
    }
    return {**info, "input": groups}


def _bare(spec: list[Any], gone: frozenset[str]) -> list[Any]:
    if isinstance(spec[0], list):
        return [[one for one in spec[0] if one not in gone], *spec[1:]]
    return [spec[0], {**spec[1], "options": [one for one in spec[1]["options"] if one not in gone]}, *spec[2:]]


def outcome(template: Template, local: Infos, full: Catalog, bare: Catalog) -> Outcome:
    """*full* and *bare* are the catalogs of an endpoint with all models and with none.

    A prompt with a node without a class is refused before it is judged, here as in ComfyUI.
    """
    if any("class_type" not in node for node in template.prompt.values()):
        return Outcome(frozenset(), frozenset(), (), (), 0)
    ours, theirs = _refused(template, _sides(template, local, full)), _refused_by_comfyui(template)
    lacking = judgement(template.prompt, _sides(template, local, bare), _outputs(template, local))
    missing = tuple(dict.fromkeys((model.kind, model.name) for model in lacking.models))
    named = named_models(template.workflow, Hosts(HOSTS))
    without = tuple((kind, name) for kind, name in missing if model_named(named, kind, name) is None)
    return Outcome(ours - theirs, theirs - ours, missing, without, len(named))


def _sides(template: Template, local: Infos, known: Catalog) -> Sides:
    kinds = {node["class_type"] for node in template.prompt.values()}
    here = {kind: local.get(kind) for kind in kinds}
    infos = {kind: merged_class(kind, info, known) for kind, info in here.items()}
    return Sides(infos, here, known, is_current=True)


def _outputs(template: Template, infos: Infos) -> list[str]:
    return [
        node_id for node_id, node in template.prompt.items() if infos.get(node["class_type"], {}).get("output_node")
    ]


def _refused(template: Template, sides: Sides) -> frozenset[Problem]:
    found = judgement(template.prompt, sides, _outputs(template, sides.infos))
    classes = {(remark.node_id, "missing_node_type", "") for remark in found.classes}
    errors = (
        (node_id, error["type"], error["extra_info"]["input_name"])
        for node_id, some in found.errors.items()
        for error in some
    )
    return frozenset([*errors, *classes])


def _refused_by_comfyui(template: Template) -> frozenset[Problem]:
    error = template.error or {}
    classes = (
        [(error["extra_info"]["node_id"], "missing_node_type", "")] if error.get("type") == "missing_node_type" else []
    )
    errors = (
        (node_id, one["type"], one["extra_info"].get("input_name", ""))
        for node_id, entry in template.node_errors.items()
        for one in entry["errors"]
    )
    return frozenset([*errors, *classes])
