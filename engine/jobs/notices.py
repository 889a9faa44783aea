"""What a person is told about an event of the worker beside what it shows. Pure."""

from collections.abc import Iterator

from engine.jobs.commands import Notice
from engine.messages.node_waits import waits_notice
from wire.events import FilesSaved, MessagesSkipped, NodeWaits, PackFilesDiffer, WorkerEvent

_PLACES_MAX, _FILES_MAX, _TEXT_MAX = 3, 10, 200
"""places and files that one notice names, and characters of each"""
_SKIPPED = "{!r} and perhaps others were too large, or too many in a second. Of each kind the newest was shown."
_DIFFER = "Wildcards, styles or fonts differ, so a result may differ: {}. Copy them into the worker's image."


def notices_of(event: WorkerEvent) -> Iterator[Notice]:
    """None for most events. Of files that ComfyUI did not announce the ones that are not sent are said; the others are
    in their folder, and on the list of jobs.
    """
    match event:
        case FilesSaved():
            if event.left_out:
                yield Notice("warn", "Some files were not sent", _left_out(event.left_out))
            if event.elsewhere:
                yield Notice("warn", "Saved outside ComfyUI's folders", _elsewhere(event.elsewhere))
        case MessagesSkipped(type=kind):
            yield Notice("info", "Messages of a custom node were left out", _SKIPPED.format(kind))
        case NodeWaits(answerable=False):
            yield Notice("warn", *waits_notice(event))
        case PackFilesDiffer(files=files):
            shown = _some(files, _FILES_MAX)
            yield Notice("warn", "The endpoint has other files of custom nodes", _DIFFER.format(shown))


def _left_out(count: int) -> str:
    subject, verb, reason = ("file", "stays", "it") if count == 1 else ("files", "stay", "they")
    return (
        f"{count:,} {subject} that the prompt saved without announcing {verb} on the worker, and will be gone with it:"
        f" {reason} cannot be read, or there are more than a job may send."
    )


def _elsewhere(places: tuple[str, ...]) -> str:
    shown = _some(places, _PLACES_MAX)
    return f"A file was saved to {shown} on the worker, and is gone with it: use a folder inside output."


def _some(names: tuple[str, ...], most: int) -> str:
    """The first of *names*, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(name[:_TEXT_MAX] for name in names[:most]) + more
