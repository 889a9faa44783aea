"""What the person is told about files that a prompt wrote and that ComfyUI did not announce. Pure."""

from collections.abc import Iterator

from engine.jobs.commands import Notice
from wire.events import FilesSaved

_NAMED_MAX, _TEXT_MAX = 3, 200
"""places in one notice, and characters of each"""


def notices(event: FilesSaved) -> Iterator[Notice]:
    """What is not sent is said; what is sent is in its folder, and on the list of jobs."""
    if event.left_out:
        yield Notice("warn", "Some files were not sent", _left_out(event.left_out))
    if event.elsewhere:
        yield Notice("warn", "Saved outside ComfyUI's folders", _elsewhere(event.elsewhere))


def _left_out(count: int) -> str:
    subject, verb, reason = ("file", "stays", "it") if count == 1 else ("files", "stay", "they")
    return (
        f"{count:,} {subject} that the prompt saved without announcing {verb} on the worker, and will be gone with it:"
        f" {reason} cannot be read, or there are more than a job may send."
    )


def _elsewhere(places: tuple[str, ...]) -> str:
    named = ", ".join(place[:_TEXT_MAX] for place in places[:_NAMED_MAX])
    more = f" and {len(places) - _NAMED_MAX} more" if len(places) > _NAMED_MAX else ""
    return f"A file was saved to {named}{more} on the worker, and is gone with it: use a folder inside output."
