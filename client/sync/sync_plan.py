"""What a sync does with each model, from what is here, what the manifest says and what the storage has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from client.sync.layout import is_wanted
from client.sync.manifest import Content, Manifest


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Names; *unchanged* need nothing."""

    upload: tuple[str, ...]
    unchanged: tuple[str, ...]
    delete: tuple[str, ...]


def plan(here: Manifest, there: Manifest, sizes: Mapping[str, int | None], *, delete: Iterable[str]) -> SyncPlan:
    """*there* is the volume's manifest; *sizes* what the storage says of the files that both have."""
    unchanged = {name for name, content in here.items() if there.get(name) == content == _seen(content, sizes, name)}
    upload = [name for name in here if name not in unchanged]
    return SyncPlan(tuple(sorted(upload)), tuple(sorted(unchanged)), tuple(sorted(delete)))


def _seen(content: Content, sizes: Mapping[str, int | None], name: str) -> Content | None:
    """The manifest is believed only as far as the file is still there in its size."""
    return content if sizes.get(name) == content.size else None


def surplus(names: Iterable[str], there: Manifest, include: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """What --delete removes: files that this program sent and that are no longer here; never anybody else's."""
    kept = set(names)
    return sorted(name for name in there if name not in kept and is_wanted(name, include, exclude))
