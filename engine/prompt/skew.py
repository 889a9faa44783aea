"""Where the two ComfyUIs, or a node pack on both sides, differ in a way that a prompt meets. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.prompt.judgement import NodeRemark
from engine.prompt.node_check import is_core, is_dynamic, specs
from engine.prompt.sides import Sides
from wire.catalog import Pack
from wire.graph import Prompt, is_link, needed

_NAMES_MAX, _SHOWN = 5, 80
_PACK = "custom_nodes."


def differences(prompt: Prompt, sides: Sides, outputs: Iterable[str]) -> tuple[NodeRemark, ...]:
    """A sentence for each node that *outputs* need and that both sides define differently, with how to mend it."""
    wanted = list(outputs)
    running = needed(prompt, wanted) if wanted else list(prompt)
    slots = _linked_slots(prompt, running)
    return tuple(remark for node_id in running for remark in _of_node(prompt, sides, node_id, slots.get(node_id, ())))


def _of_node(prompt: Prompt, sides: Sides, node_id: str, slots: Iterable[int]) -> Iterator[NodeRemark]:
    kind = prompt[node_id]["class_type"]
    here, there = sides.local.get(kind), sides.infos.get(kind)
    if here is None or there is None or not sides.has(kind):
        return
    inputs = prompt[node_id].get("inputs", {})
    told = [*_about_inputs(inputs, here, there), *_about_outputs(slots, here, there)]
    if told:
        text = f"{kind[:_SHOWN]} is another version at the endpoint: {'; '.join(told)}. {_mend(sides, here)}"
        yield NodeRemark(node_id, kind, text)


def _about_inputs(inputs: Mapping[str, Any], here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    ours, theirs = specs(here), specs(there)
    if not any(is_dynamic(spec) for spec, _ in theirs.values()):
        unknown = [name for name in inputs if name in ours and name not in theirs]
        if unknown:
            yield f"it does not have {_names('input', unknown)}"
    missing = [
        name
        for name, (spec, required) in theirs.items()
        if required and not is_dynamic(spec) and name not in inputs and not ours.get(name, (None, False))[1]
    ]
    if missing:
        yield f"it needs {_names('input', missing)}"


def _about_outputs(slots: Iterable[int], here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[str]:
    for slot in sorted(set(slots)):
        ours, theirs = _type(here, slot), _type(there, slot)
        if ours and theirs is None:
            yield f"it does not have output {slot + 1}, {ours}"
        elif ours and theirs and ours != theirs:
            yield f"its output {slot + 1} is {theirs} there and {ours} here"


def _type(info: Mapping[str, Any], slot: int) -> str | None:
    """The type of an output; None without one, and empty for a list of choices."""
    outputs = info.get("output") or []
    if not 0 <= slot < len(outputs):
        return None
    return outputs[slot][:_SHOWN] if isinstance(outputs[slot], str) else ""


def _linked_slots(prompt: Prompt, running: Iterable[str]) -> dict[str, set[int]]:
    slots: dict[str, set[int]] = {}
    for node_id in running:
        for value in prompt[node_id].get("inputs", {}).values():
            if is_link(value):
                slots.setdefault(value[0], set()).add(value[1])
    return slots


def _mend(sides: Sides, here: Mapping[str, Any]) -> str:
    if is_core(here) or not str(here.get("python_module", "")).startswith(_PACK):
        return (
            f"It runs ComfyUI {sides.known.comfyui or 'of an unknown version'}, this machine "
            f"{sides.local_version or 'another one'}: update the older one."
        )
    name = str(here["python_module"]).removeprefix(_PACK)[:_SHOWN]
    pack = next((pack for pack in sides.known.packs if pack.name.lower() == name.lower()), None)
    return f"Give both sides the same version of {name}{_version(pack)}."


def _version(pack: Pack | None) -> str:
    found = pack and (pack.version or pack.commit[:10])
    return f" (the endpoint has {found})" if found else ""


def _names(noun: str, names: list[str]) -> str:
    shown = ", ".join(name[:_SHOWN] for name in names[:_NAMES_MAX])
    more = f" and {len(names) - _NAMES_MAX} more" if len(names) > _NAMES_MAX else ""
    return f"the {noun}{'s' if len(names) > 1 else ''} {shown}{more}"
