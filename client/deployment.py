"""What an endpoint and its template become: the bodies for RunPod's REST API, what differs, and what is taken away.

Source: https://docs.runpod.io/api-reference-v2 (``CreateEndpointRequest``, ``UpdateEndpointRequest``: only the fields
of a PATCH are changed).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from client.gpu_catalog import GpuPools
from wire.plain_text import one_line

JOB_TIMEOUT_S = 1800
"""seconds that a job may take, unless a person says otherwise"""
IDLE_TIMEOUT_S = 10
"""paid seconds for which a worker waits for another job, unless a person says otherwise"""
FLASHBOOT = ("OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT")
"""from the least to the most"""
MIN_CUDA = "12.8"
"""of the wheels in docker/constraints.txt"""

_WORKERS = {"min": "min_workers", "max": "max_workers", "idleTimeout": "idle_timeout"}
_TEMPLATE = ("image", "disk", "env", "registry")
_HIDDEN = "[hidden]"

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChoices:
    """What the person named; None or empty: not named. The names are those of the command's options."""

    image: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    gpu_pool: tuple[str, ...] = ()
    min_workers: int | None = None
    max_workers: int | None = None
    idle_timeout: int | None = None
    """seconds"""
    queue_delay: float | None = None
    """seconds"""
    timeout: int | None = None
    """seconds"""
    disk: int | None = None
    """GB"""
    flashboot: str | None = None
    volume: str | None = None
    """empty: none"""
    datacenter: str | None = None
    """empty: any"""
    registry: str | None = None


DEFAULTS = EndpointChoices(
    gpu_pool=("ADA_24",),
    min_workers=0,
    max_workers=3,
    idle_timeout=IDLE_TIMEOUT_S,
    queue_delay=4.0,
    timeout=JOB_TIMEOUT_S,
    disk=20,
    flashboot="FLASHBOOT",
    volume="",
)
"""of a new endpoint"""


class ChoiceRefused(ValueError):
    """The person's values do not go together; the text is one sentence."""


def new_endpoint(name: str, chosen: EndpointChoices) -> Body:
    """The body that creates an endpoint; *chosen* is complete."""
    known = {"gpu": {"count": 1, "minCudaVersion": MIN_CUDA}}
    return {"name": name, "type": "QUEUE", **_wanted(chosen, known, {})}


def new_template(name: str, chosen: EndpointChoices) -> Body:
    """The body that creates a template, without the SSH and Jupyter that templates get unless told otherwise."""
    plain = {"serverless": True, "public": False, "startSsh": False, "startJupyter": False}
    return {"name": name, **plain, **_container(chosen, {})}


def endpoint_changes(chosen: EndpointChoices, known: Body, pools: GpuPools) -> Body:
    """The body of the PATCH that gives the endpoint *known* what is *chosen*, and leaves everything else as it is."""
    return _different(_wanted(chosen, known, pools), known)


def template_changes(chosen: EndpointChoices, known: Body) -> Body:
    return _different(_container(chosen, known), known)


def _container(chosen: EndpointChoices, known: Body) -> Body:
    """A PATCH replaces ``env`` as a whole, so it repeats the variables that were set elsewhere."""
    env = {**(known.get("env") or {}), **chosen.env} if chosen.env else None
    fields = {"image": chosen.image, "disk": chosen.disk, "env": env, "registry": chosen.registry}
    return _named(fields)


def _wanted(chosen: EndpointChoices, known: Body, pools: GpuPools) -> Body:
    """The fields that *chosen* names. An object is sent whole: what is not chosen in it stays as *known* has it."""
    return {
        **_container(chosen, known),
        **_named({
            "gpu": _gpu(chosen, known.get("gpu") or {}, pools),
            "workers": _workers(chosen, known.get("workers") or {}),
            "scaling": chosen.queue_delay and {"type": "QUEUE_DELAY", "queueDelay": chosen.queue_delay},
            "flashboot": chosen.flashboot,
            "timeout": chosen.timeout and chosen.timeout * 1000,
            "networkVolumes": _one(chosen.volume),
            "dataCenterIds": _one(chosen.datacenter),
        }),
    }  # fmt: skip


def _named(fields: Body) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _one(name: str | None) -> list[str] | None:
    return None if name is None else [name] if name else []


def _workers(chosen: EndpointChoices, known: Body) -> Body | None:
    named = _named({name: getattr(chosen, option) for name, option in _WORKERS.items()})
    return {**{name: known[name] for name in _WORKERS if name in known}, **named} if named else None


def _gpu(chosen: EndpointChoices, known: Body, pools: GpuPools) -> Body | None:
    """Pools and exclusions are one selection: a PATCH with pools alone would allow again what was excluded."""
    if not chosen.gpu_pool:
        return None
    kept = {name: known[name] for name in ("count", "minCudaVersion", "allowedCudaVersions") if known.get(name)}
    types = {kind for name in chosen.gpu_pool if name in pools for kind in pools[name].types}
    excluded = [kind for kind in known.get("excludedTypes") or () if kind in types or not pools]
    return {"pools": list(chosen.gpu_pool), **({"excludedTypes": excluded} if excluded else {}), **kept}


def _different(wanted: Body, known: Body) -> Body:
    return {name: value for name, value in wanted.items() if not _agrees(known.get(name), value)}


def _agrees(known: Any, wanted: Any) -> bool:
    """Whether *known* has all that is *wanted*; what the API adds to an object does not count."""
    if isinstance(wanted, dict) and isinstance(known, dict):
        return all(_agrees(known.get(name), value) for name, value in wanted.items())
    return bool(wanted == known)


def require_sense(chosen: EndpointChoices, after: Body) -> None:
    """Raises ChoiceRefused when the endpoint as it is *after* the change cannot work as the person expects."""
    workers, scaling = after.get("workers") or {}, after.get("scaling") or {}
    least, most = workers.get("min", 0), workers.get("max", 0)
    if least > most:
        raise ChoiceRefused(f"--min-workers {least} is more than --max-workers {most}")
    if chosen.idle_timeout is not None and scaling.get("type") == "REQUEST_COUNT":
        raise ChoiceRefused("--idle-timeout: the endpoint scales by the number of requests, and has none then")
    if after.get("type", "QUEUE") != "QUEUE":
        raise ChoiceRefused(f"{after.get('name')} is not an endpoint with a queue: give another --name")


# -- for the person


def shown_differences(known: Body, changes: Body) -> list[str]:
    """A line for each value that a PATCH changes; values of variables are hidden, since they may be secrets."""
    before, after = dict(_leaves(known)), dict(_leaves(changes))
    lines = list[str]()
    for name, value in after.items():
        old = before.get(name, "not set")
        if old != value:
            secret = name.startswith("env.")
            lines.append(f"{name}: {_shown(old, secret=secret)} → {_shown(value, secret=secret)}")
    return lines


def _leaves(body: Body, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in body.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _shown(value: Any, *, secret: bool) -> str:
    if isinstance(value, list):
        return one_line(", ".join(map(str, value))) or "none"
    return _HIDDEN if secret and value != "not set" else "not set" if value is None else one_line(str(value))


def losses(known: Body, changes: Body) -> list[str]:
    """A sentence for each thing that the endpoint *known* has and that *changes* take away from it."""
    return [*_lost_items(known, changes), *_lost_amounts(known, changes)]


_LISTS: tuple[tuple[str, str], ...] = (
    ("networkVolumes", "the network volume {} is detached"),
    ("dataCenterIds", "workers no longer run in {}"),
    ("gpu.pools", "workers no longer run on {}"),
    ("gpu.excludedTypes", "{} is no longer excluded"),
)
_AMOUNTS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("workers.max", "at most {} workers run at once, instead of {}", int),
    ("workers.min", "{} workers are kept running, instead of {}", int),
    ("timeout", "jobs are ended after {} s, instead of {} s", lambda milliseconds: milliseconds // 1000),
    ("disk", "a worker has {} GB of disk, instead of {} GB", int),
)


def _lost_items(known: Body, changes: Body) -> Iterator[str]:
    before, after = dict(_leaves(known)), dict(_leaves(changes))
    for name, sentence in _LISTS:
        if name in after or (name == "gpu.excludedTypes" and "gpu.pools" in after):
            for item in _without(before.get(name) or (), after.get(name) or ()):
                yield sentence.format(one_line(str(item)))


def _without(items: Iterable[Any], those: Iterable[Any]) -> list[Any]:
    gone = set(those)
    return [item for item in items if item not in gone]


def _lost_amounts(known: Body, changes: Body) -> Iterator[str]:
    before, after = dict(_leaves(known)), dict(_leaves(changes))
    for name, sentence, shown in _AMOUNTS:
        old, new = before.get(name), after.get(name)
        if isinstance(old, int) and isinstance(new, int) and new < old:
            yield sentence.format(shown(new), shown(old))
    old, new = before.get("flashboot"), after.get("flashboot")
    if old in FLASHBOOT and new in FLASHBOOT and FLASHBOOT.index(new) < FLASHBOOT.index(old):
        yield f"FlashBoot is {new}, instead of {old}"


def without_secrets(body: Body) -> Body:
    """*body* for the screen: the values of environment variables may be secrets."""
    return {**body, "env": dict.fromkeys(body["env"], _HIDDEN)} if body.get("env") else body
