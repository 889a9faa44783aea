"""What a sync does with each model, from what is here, what the manifest says and what the storage has."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from client.sync.layout import is_wanted
from client.sync.manifest import Content, Manifest

EMPTY: Final = "it is empty here"


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A file that is left as it is, and why; *settled*: the volume seems to lack nothing that is here."""

    name: str
    reason: str
    settled: bool = False


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """Names; *unchanged* need nothing, *held* need the person's word."""

    upload: tuple[str, ...]
    unchanged: tuple[str, ...]
    delete: tuple[str, ...]
    held: tuple[LeftAlone, ...] = ()


@dataclass(frozen=True, slots=True)
class There:
    """What the volume has: its manifest, what the storage says of sizes, and the uploads from here that never ended."""

    manifest: Manifest
    sizes: Mapping[str, int | None]
    begun: Manifest


def plan(here: Manifest, there: There, *, delete: Iterable[str] = (), overwrite: bool = False) -> SyncPlan:
    """What to do with each file of *here*, and with the files to *delete*.

    Without *overwrite* nothing is lost that this command has not sent: an empty file replaces nothing, nor a smaller
    one a larger one, and what another program has put there stays.
    """
    unchanged = {
        name
        for name, content in here.items()
        if there.manifest.get(name) == content == _seen(content, there.sizes, name)
    }
    changed = {name: content for name, content in here.items() if name not in unchanged}
    objections = [] if overwrite else [
        *(held for name, content in changed.items() if (held := _objection(name, content, there))),
        *(held for name in delete if (held := _not_as_sent(name, there))),
    ]  # fmt: skip
    left = {held.name for held in objections}
    return SyncPlan(
        tuple(sorted(name for name in changed if name not in left)),
        tuple(sorted(unchanged)),
        tuple(sorted(name for name in delete if name not in left)),
        tuple(sorted(objections, key=lambda held: held.name)),
    )


def _objection(name: str, here: Content, there: There) -> LeftAlone | None:
    size = there.sizes.get(name)
    if here.size == 0:
        return LeftAlone(name, EMPTY, settled=True)
    if not size:
        return None  # nothing is there, or nothing is in it
    if size > here.size:
        return LeftAlone(name, f"the file there is larger: {size:,} bytes, and {here.size:,} here")
    if _is_ours(name, size, there):
        return None
    if size == here.size:
        return LeftAlone(name, "there is a file of this size which this command did not send", settled=True)
    return LeftAlone(name, f"there is a file of {size:,} bytes which this command did not send")


def _is_ours(name: str, size: int, there: There) -> bool:
    """Whether this command sent the file, or began to: an upload that was cut may have left less than the whole."""
    sent, begun = there.manifest.get(name), there.begun.get(name)
    return (sent is not None and sent.size == size) or (begun is not None and size <= begun.size)


def _not_as_sent(name: str, there: There) -> LeftAlone | None:
    size = there.sizes.get(name)
    if size is None or _is_ours(name, size, there):
        return None
    return LeftAlone(name, "it is gone here, but the file there was changed since this command sent it")


def _seen(content: Content, sizes: Mapping[str, int | None], name: str) -> Content | None:
    """The manifest is believed only as far as the file is still there in its size."""
    return content if sizes.get(name) == content.size else None


def surplus(names: Iterable[str], there: Manifest, include: Sequence[str], exclude: Sequence[str]) -> list[str]:
    """What --delete removes: files that this program sent and that are no longer here; never anybody else's."""
    kept = set(names)
    return sorted(name for name in there if name not in kept and is_wanted(name, include, exclude))
