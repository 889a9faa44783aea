"""Everything that a worker may say, with a mark in each of its texts: it runs as script where it is read as HTML."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from wire.batch import decode_batch
from wire.errors import WireError
from wire.events import KINDS, Unknown, WorkerEvent
from wire.limits import PROTOCOL


def mark(name: str) -> str:
    """A text that adds *name* to ``data-marked`` of the page that reads it as HTML. It can be the name of a file."""
    return f"<img src=x onerror=\"document.documentElement.dataset.marked+=' {name}'\">"


Path = tuple[str | int, ...]
"""the way to a text: keys and places"""
NODE, TEXT_NODE = "2", "4"
"""nodes of the prompt that the page shows"""
_SHA = "0" * 64
_ITEM = {"filename": "a.png", "subfolder": "s", "type": "output"}
_META = {"node_id": NODE, "display_node": NODE, "parent_node": "p", "real_node_id": NODE}
_HISTORY = {
    "outputs": {NODE: {"images": [_ITEM], "text": ["t"]}},
    "status": {"status_str": "error", "completed": False, "messages": [["execution_error", {"node_id": NODE}]]},
    "meta": {NODE: _META},
    "outputs_to_execute": [NODE],
}
_ERROR = {
    "node_id": NODE,
    "node_type": "t",
    "executed": ["1"],
    "exception_message": "m",
    "exception_type": "e",
    "traceback": ["l"],
    "current_inputs": {"i": ["v"]},
    "current_outputs": ["o"],
    "timestamp": 1,
}
_PROGRESS = {"node_id": NODE, "display_node_id": NODE, "parent_node_id": "p", "real_node_id": NODE, "state": "running"}
_NODE_ERRORS = {
    NODE: {
        "class_type": "t",
        "dependent_outputs": ["3"],
        "errors": [{"type": "t", "message": "m", "details": "d", "extra_info": {"input_name": "i"}}],
    }
}
_LOG = {"log_tail": ["l"], "system": {"name": "n"}}
_MISSING = {**_ITEM, "reason": "r"}
_OUTPUT = {
    "images": [_ITEM],
    "animated": [False],
    "text": ["t"],
    "ui": {"html": "h"},
    "result": ["m.glb"],
    "audio": [_ITEM],
    "3d": [_ITEM],
}

DECORATION: Sequence[dict[str, Any]] = (
    {"kind": "worker_state", "phase": "loading", "message": "m"},
    {"kind": "prompt_changed", "prompt": [{"path": [NODE, "inputs", "text"], "value": "t", "is_removed": False}],
     "extra_pnginfo": [{"path": ["workflow", "text"], "value": {"text": "t"}}]},
    {"kind": "nodes_cached", "nodes": ["1"], "timestamp": 1},
    {"kind": "node_started", "node": NODE, "display_node": NODE},
    {"kind": "nodes_progressed", "nodes": {NODE: {**_PROGRESS, "value": 1, "max": 2}}},
    {"kind": "step_progress", "node": NODE, "value": 1, "max": 2},
    {"kind": "preview", "node": NODE, "display_node": NODE, "parent_node": "p", "real_node": NODE,
     "image_type": "image/jpeg", "data": "eA==", "transfer": 0},
    {"kind": "node_text", "node": NODE, "text": "t"},
    {"kind": "node_message", "type": "m", "data": {"node": NODE, "text": "t"}, "files": []},
    {"kind": "messages_skipped", "type": "m"},
    {"kind": "node_waits", "node": NODE, "title": "t", "answerable": False, "seconds": 1.5},
    {"kind": "pack_files_differ", "files": ["pack/wildcards/a.txt"]},
    {"kind": "node_frame", "data": "AAAAAQAAAAF4"},
    {"kind": "node_output", "node": TEXT_NODE, "display_node": TEXT_NODE, "output": _OUTPUT, "files": [],
     "missing": [_MISSING]},
    {"kind": "files_saved", "files": [], "left_out": 1, "elsewhere": ["p"]},
    {"kind": "node_blocked", "error": _ERROR},
    {"kind": "file_chunk", "transfer": 0, "offset": 0, "data": "eA==", "size": 1},
    {"kind": "jobs_found", "jobs": {"p": "j"}},
    {"kind": "files_kept", "sha256": [_SHA]},
    {"kind": "catalog_told", "sha256": _SHA},
    {"kind": "catalog_piece", "sha256": _SHA, "number": 0, "count": 1, "data": "AAAA"},
    {"kind": "omitted"},
    {"kind": "a_kind_of_next_year"},
)  # fmt: skip
"""events that end nothing, with every field that they can have"""

ENDINGS: Sequence[dict[str, Any]] = (
    {"kind": "prompt_finished", "timestamp": 1, "history": {**_HISTORY, "outputs": {}}, "node_errors": _NODE_ERRORS},
    {"kind": "prompt_failed", "error": _ERROR, "history": _HISTORY, "diagnostics": _LOG},
    {"kind": "prompt_interrupted", "details": _ERROR, "history": _HISTORY},
    {"kind": "prompt_rejected", "error": {"type": "t", "message": "m", "details": "d"}, "node_errors": _NODE_ERRORS,
     "diagnostics": _LOG},
    {"kind": "worker_failed", "error_type": "e", "message": "m", "diagnostics": _LOG},
    {"kind": "files_missing", "sha256": [_SHA]},
    {"kind": "files_collected", "sha256": [_SHA], "missing": [_SHA]},
)  # fmt: skip


def marked_one_by_one(template: dict[str, Any]) -> Iterator[WorkerEvent]:
    """*template* as an event again and again, each time with the mark in another text; ones that the wire refuses
    are left out.
    """
    for variant in _variants(template):
        if (event := _decoded(variant)) is not None:
            yield event


def marked_everywhere(template: dict[str, Any], *, but_in: Sequence[str] = ()) -> WorkerEvent:
    """*template* with the mark in every text that the wire admits it in, except in texts that are one of *but_in*."""
    return filled(template, _mark_at, but_in=but_in)


def filled(template: dict[str, Any], text_at: Callable[[Path], str], *, but_in: Sequence[str] = ()) -> WorkerEvent:
    """The same with any texts."""
    value = template
    for path in _texts({name: part for name, part in template.items() if name != "kind"}):
        changed = replaced(value, path, text_at(path))
        if _at(value, path) not in but_in and _decoded(changed) is not None:
            value = changed
    event = _decoded(value)
    assert event is not None
    return event


def _decoded(event: dict[str, Any]) -> WorkerEvent | None:
    """None for one that the wire refuses, or leaves out because it cannot be read."""
    batch = {"protocol": PROTOCOL, "run": "r", "started": 1, "events": [{"seq": 0, **event}]}
    try:
        found = decode_batch(batch).events[0].event
    except WireError:
        return None
    return None if isinstance(found, Unknown) and event["kind"] in KINDS else found


def _variants(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in _texts(value):
        yield _marked_at(value, path)
    for path in _keys(value):
        yield _changed(value, path[:-1], partial(_renamed, path=path))


def _renamed(value: dict[str, Any], path: Path) -> dict[str, Any]:
    return {
        mark(f"key of {'.'.join(map(str, path))}") if key == path[-1] else key: inner for key, inner in value.items()
    }


def _texts(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, str):
        yield path
    for key, inner in _members(value):
        yield from _texts(inner, (*path, key))


def _keys(value: Any, path: Path = ()) -> Iterator[Path]:
    for key, inner in _members(value):
        if path and isinstance(value, dict):
            yield (*path, key)
        yield from _keys(inner, (*path, key))


def _members(value: Any) -> list[tuple[str | int, Any]]:
    match value:
        case dict():
            return list(value.items())
        case list():
            return list(enumerate(value))
        case _:
            return []


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _marked_at(value: Any, path: Path) -> Any:
    return replaced(value, path, _mark_at(path))


def _mark_at(path: Path) -> str:
    return mark(".".join(map(str, path)))


def ways_into(value: Any, path: Path = ()) -> Iterator[Path]:
    """The way to everything inside *value*, but not to what kind of event it is."""
    for key, inner in _members(value):
        if (*path, key) != ("kind",):
            yield (*path, key)
            yield from ways_into(inner, (*path, key))


def replaced(value: Any, path: Path, by: Any) -> Any:
    """*value* with something else at *path*."""
    return _changed(value, path, lambda _: by)


def _changed(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """*value* with what is at *path* changed."""
    if not path:
        return change(value)
    inner = _changed(value[path[0]], path[1:], change)
    if isinstance(value, dict):
        return {**value, path[0]: inner}
    return [inner if at == path[0] else item for at, item in enumerate(value)]
