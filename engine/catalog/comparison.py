"""How two ComfyUIs differ: the local one, and what is known of the endpoint's. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wire.catalog import Catalog


def only_there(local: Iterable[str], known: Catalog) -> list[str]:
    """Node classes that only the endpoint has, sorted."""
    return sorted(set(known.nodes) - set(local))


def only_here(local: Iterable[str], known: Catalog) -> list[str]:
    """Node classes that only the local ComfyUI has; none while nothing is known of the endpoint's."""
    return sorted(set(local) - set(known.nodes)) if known.nodes else []


def missing_models(local: Mapping[str, Iterable[str]], known: Catalog) -> dict[str, list[str]]:
    """Models that are here and not there, by kind; nothing while no model of the endpoint is known."""
    missing = {kind: sorted(set(names) - set(known.models.get(kind, ()))) for kind, names in local.items()}
    return {kind: names for kind, names in missing.items() if names and known.models}


def differing(local: Mapping[str, Any], known: Catalog) -> list[str]:
    """Classes that both have, with other inputs or outputs, sorted. The choices of a list may differ."""
    both = sorted(set(local) & set(known.nodes))
    return [name for name in both if _shape(local[name]) != _shape(known.nodes[name])]


def _shape(definition: Any) -> tuple[Any, ...]:
    """What a graph meets of a node: the names and types of its inputs, and the types of its outputs."""
    if not isinstance(definition, Mapping):
        return ()
    outputs = definition.get("output")
    types = [_type_of(output) for output in outputs] if isinstance(outputs, list) else []
    return (sorted(_inputs(definition)), types)


def _inputs(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    groups = definition.get("input")
    for group in ("required", "optional"):
        inputs = groups.get(group) if isinstance(groups, Mapping) else None
        for name, spec in inputs.items() if isinstance(inputs, Mapping) else ():
            yield group, str(name), _type_of(spec[0] if isinstance(spec, list) and spec else spec)


def _type_of(value: Any) -> str:
    """Both spellings of a list of choices are the same type."""
    return "COMBO" if isinstance(value, list) else str(value)[:100]
