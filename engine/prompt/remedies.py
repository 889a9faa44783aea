"""Remedies: what a person is told of a prompt that the endpoint cannot run, or perhaps cannot, with the ways out. Pure.

The names in it come from the prompt and from the endpoint's catalog: the page shows them as text.
"""

import glob
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from engine.prompt.judgement import Judgement, MissingModel, NodeRemark
from engine.prompt.named_models import NamedModel, model_named
from wire.addresses import origin_of
from wire.catalog import Catalog
from wire.ids import PromptId
from wire.model_kinds import folder_on_volume

MODELS_MAX = 100
"""missing models that are told of one prompt; the sentence counts all"""
_SHOWN, _SENTENCES, _TEXT_MAX = 200, 3, 1_000

LocalModels = Mapping[str, Mapping[str, int | None]]
"""the models of this machine by kind and name, with their bytes; None when ComfyUI does not say"""


def remedies(
    found: Judgement,
    known: Catalog,
    local: LocalModels,
    named: Iterable[NamedModel],
    *,
    prompt_id: PromptId | None,
    refused: bool,
    can_run_anyway: bool,
) -> dict[str, Any]:
    """The data of a ``runpod.remedies`` message. *named* are the addresses that the workflow gives its models."""
    addresses = tuple(named)
    return {
        "prompt_id": prompt_id,
        "refused": refused,
        "can_run_anyway": can_run_anyway,
        "text": remedies_text(found),
        "models": [_model(model, known, local, addresses) for model in found.models[:MODELS_MAX]],
        "classes": [_remark(remark) for remark in found.classes[:MODELS_MAX]],
        "differences": [_remark(remark) for remark in found.differences[:MODELS_MAX]],
    }


def remedies_text(found: Judgement) -> str:
    """What is wrong, in a few sentences."""
    remarks = (remark.text for remark in (*found.classes, *found.differences))
    sentences = list(dict.fromkeys([*(_lack(model, found) for model in found.models), *remarks]))
    if not sentences:
        sentences = [_doubt(node_id, errors) for node_id, errors in found.doubts.items()]
    more = [f"And {len(sentences) - _SENTENCES} more."] if len(sentences) > _SENTENCES else []
    return " ".join([*sentences[:_SENTENCES], *more])[:_TEXT_MAX]


def _lack(model: MissingModel, found: Judgement) -> str:
    lacks = "has no" if model.node_id in found.errors else "may have no"
    return f"The endpoint {lacks} {model.name[:_SHOWN]} in {model.kind[:_SHOWN]}."


def _doubt(node_id: str, errors: Iterable[Mapping[str, Any]]) -> str:
    told = "; ".join(f"{error['message']}: {error['details']}" for error in errors)
    return f"The endpoint may refuse node {node_id[:_SHOWN]}: {told[:_SHOWN]}."


def _model(model: MissingModel, known: Catalog, local: LocalModels, named: Iterable[NamedModel]) -> dict[str, Any]:
    here = {name.replace("\\", "/"): size for name, size in local.get(model.kind, {}).items()}
    name = model.name.replace("\\", "/")
    return {
        **model._asdict(),
        "here": name in here,
        "size": here.get(name),
        "like": _like(name, known.models.get(model.kind, {})),
        "fetch": _fetch(model_named(named, model.kind, model.name)),
        "command": _command(model.kind, name),
    }


def _like(name: str, there: Iterable[str]) -> str | None:
    """A model of the endpoint with the same name in another folder."""
    last = name.rpartition("/")[2]
    return next((other for other in there if other.rpartition("/")[2] == last), None)


def _fetch(model: NamedModel | None) -> dict[str, Any] | None:
    if model is None:
        return None
    return {"url": model.url, "host": origin_of(model.url).host, "size": None, "sha256": model.sha256}


def _command(kind: str, name: str) -> str:
    """Sends the file from this machine, for whoever has put it there; *name* is quoted for a shell."""
    pattern = shlex.quote(glob.escape(f"{folder_on_volume(kind)}/{name}"))
    return f"scripts/sync-models.py ~/ComfyUI --include {pattern}"


def _remark(remark: NodeRemark) -> dict[str, str]:
    return remark._asdict()
