"""How the local ComfyUI and the endpoint's differ, as lines for a person: one for each thing, with what to do. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from client.doctor.finding import Finding
from engine.catalog.catalogs import KnownCatalog
from engine.catalog.comparison import differing, missing_models, only_here, only_there
from wire.catalog import Pack
from wire.plain_text import one_line

_NAMED = 4
"""names in one line; the others are counted"""
_NAME_MAX, _COMMIT = 60, 7
_DAY_S = 86_400
_TOLD_BY = {"worker": "as a worker told", "image": "as the image was built", "volume": "by the volume's listing only"}


@dataclass(frozen=True, slots=True)
class LocalComfyUI:
    """What this machine has. *models*: kind -> path below it -> bytes, if they are known."""

    version: str
    frontend: str
    packs: Sequence[Pack]
    infos: Mapping[str, Any]
    models: Mapping[str, Mapping[str, int | None]]


def nothing_known(page: str) -> Finding:
    mend = f"run a prompt, or ask on the page {page}"
    return Finding("catalog", "skipped", "nothing is known of the endpoint yet", mend)


def told(known: KnownCatalog, now_ms: int) -> Finding:
    """Who told what is known, and how old it is."""
    age_s = max(0, now_ms - known.confirmed_ms) // 1000
    detail = f"{known.endpoint_id}: {_TOLD_BY[known.source]}, {_age(age_s)} ago"
    mend = "run a prompt, or ask on the page: what is older than a day only warns" if age_s > _DAY_S else ""
    return Finding("catalog", "ok", detail, mend)


def _age(seconds: int) -> str:
    for unit, length in (("days", _DAY_S), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"


def differences(here: LocalComfyUI, known: KnownCatalog) -> Iterator[Finding]:
    """A line for versions, packs, classes and models. None of them is wrong: a prompt is judged by what it uses."""
    there = known.catalog
    if known.source != "volume":
        yield _versions(here, there.comfyui, there.frontend)
        yield _packs(here.packs, there.packs)
        yield _classes(here, known)
    yield _models(here, known)


def _versions(here: LocalComfyUI, comfyui: str, frontend: str) -> Finding:
    pairs = (("ComfyUI", here.version, comfyui), ("frontend", here.frontend, frontend))
    detail = "; ".join(f"{name} {_told(mine)} here, {_told(theirs)} there" for name, mine, theirs in pairs)
    mend = "" if here.version == comfyui else "update the older one, or build the image with the version that is here"
    return Finding("versions", "ok", detail, mend)


def _packs(here: Sequence[Pack], there: Sequence[Pack]) -> Finding:
    mine, theirs = {pack.name: pack for pack in here}, {pack.name: pack for pack in there}
    both = [(mine[name], theirs[name]) for name in sorted(mine.keys() & theirs.keys())]
    others = [f"{one.name} ({_state(one)} here, {_state(other)} there)" for one, other in both if _differ(one, other)]
    parts = {
        "only here": sorted(mine.keys() - theirs.keys()),
        "only there": sorted(theirs.keys() - mine.keys()),
        "with another version": others,
    }
    detail = _counted(parts) or f"the same {len(mine)} on both ends"
    return Finding("packs", "ok", detail, "scripts/build.sh puts packs into the image" if parts["only here"] else "")


def _differ(one: Pack, other: Pack) -> bool:
    """By commit where both have one, else by version; what is not known does not differ."""
    pairs = ((one.commit, other.commit), (one.version, other.version))
    known = next(((mine, theirs) for mine, theirs in pairs if mine and theirs), ("", ""))
    return known[0] != known[1]


def _state(pack: Pack) -> str:
    return pack.commit[:_COMMIT] or pack.version or "unknown"


def _classes(here: LocalComfyUI, known: KnownCatalog) -> Finding:
    parts = {
        "only here": only_here(here.infos, known.catalog),
        "only there": only_there(here.infos, known.catalog),
        "with other inputs or outputs": differing(here.infos, known.catalog),
    }
    mend = "a graph with a node that is only here is refused; put its pack into the image" if parts["only here"] else ""
    return Finding("classes", "ok", _counted(parts) or "the same on both ends", mend)


def _models(here: LocalComfyUI, known: KnownCatalog) -> Finding:
    missing = missing_models(here.models, known.catalog)
    names = [f"{kind}/{name}" for kind, found in sorted(missing.items()) for name in found]
    if not names:
        count = sum(map(len, known.catalog.models.values()))
        return Finding("models", "ok", f"all are there, where {count} are known")
    size = sum(here.models[kind].get(name) or 0 for kind, found in missing.items() for name in found)
    mend = "scripts/sync-models.py sends them to the volume"
    return Finding("models", "ok", f"{_counted({'only here': names})}; together {size / 1e9:.1f} GB", mend)


def _counted(parts: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{len(names)} {what}: {_some(names)}" for what, names in parts.items() if names)


def _some(names: Iterable[str]) -> str:
    listed = [_told(name) for name in names]
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more


def _told(text: str) -> str:
    """What another machine says, for the terminal."""
    return one_line(text, _NAME_MAX) or "unknown"
