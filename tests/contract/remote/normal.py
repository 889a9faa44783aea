"""What two runs of one prompt may differ in is given a common name; pure. Everything else stays, to be compared.

Common are: ids, times, queue numbers, the letters and first numbers of file names, the folder of the side, what
pictures look like as text, and the order of what ComfyUI keeps in sets. Steps of one running node are told as one, see
:func:`collapsed`.
"""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from wire.comfy import CustomMessage, Message, PreviewFrame, ServerMessage, TextFrame, UnknownFrame

Told = dict[str, Any]

_TIMES = frozenset({"timestamp", "create_time", "execution_start_time", "execution_end_time"})
_SETS = frozenset({"executed", "current_outputs", "dependent_outputs"})
"""execution.py: ``set``s, told as lists"""
_ASIDE = frozenset({"status", "notification", "runpod.notice"})
_SIDE = re.compile(r"\bside[AB]\b")
_LETTERS = re.compile(r"ComfyUI_temp_[a-z]{5}_")
_COUNTED = re.compile(r"(?P<prefix>.*_)(?P<number>\d{5})_(?P<ending>\.\w+)")
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_PICTURE = re.compile(r"(tensor\(|\[<PIL\.).*", re.DOTALL)


@dataclass(slots=True)
class Normal:
    """Gives names; one for a whole recording, because a name that comes again must get the same name again."""

    names: Mapping[str, str]
    """prompt ids and socket ids"""
    _first: dict[str, int] = field(default_factory=dict)

    def story(self, heard: Iterable[ServerMessage]) -> list[Told]:
        """The messages, in order."""
        return collapsed([self._told(message) for message in heard])

    def value(self, value: Any, key: str = "") -> Any:
        """Any body."""
        match value:
            case dict():
                return {self._text(name): self.value(item, name) for name, item in value.items()}
            case list() | tuple():
                return self._list(list(value), key)
            case bool() | None:
                return value
            case int() | float():
                return _number(value, key)
            case _:
                return self._text(value)

    def _list(self, items: list[Any], key: str) -> list[Any]:
        match items:
            case [_, str(prompt_id), dict(), dict(), list(outputs)] if prompt_id in self.names:
                return ["a number", *self._list(items[1:4], key), sorted(outputs)]
            case _:
                named = [self.value(item, key) for item in items]
                return sorted(named) if key in _SETS else named

    def _told(self, message: ServerMessage) -> Told:
        match message:
            case Message():
                return {"type": message.type, "data": self.value(message.data)}
            case PreviewFrame():
                size = Image.open(io.BytesIO(message.image)).size
                metadata = {
                    name: getattr(message, name)
                    for name in ("node_id", "prompt_id", "display_node_id", "parent_node_id", "real_node_id")
                }
                shown = {**self.value(metadata), "image_type": message.image_type, "size": size}
                return {"type": "preview", "data": shown}
            case TextFrame():
                return {"type": "text", "data": {"node": message.node_id, "text": message.text}}
            case CustomMessage():
                return {"type": message.type, "data": self.value(message.data)}
            case UnknownFrame():
                return {"type": "frame", "data": message.frame.hex()}

    def _text(self, text: str) -> str:
        if text in self.names:
            return self.names[text]
        text = _ADDRESS.sub("0x", _PICTURE.sub("a picture", _SIDE.sub("side", text)))
        if counted := _COUNTED.fullmatch(text):
            first = self._first.setdefault(counted["prefix"], int(counted["number"]))
            text = f"{counted['prefix']}+{int(counted['number']) - first}_{counted['ending']}"
        return _LETTERS.sub("ComfyUI_temp_?????_", text)


def _number(value: float, key: str) -> float | str:
    if key in _TIMES and value > 0:
        return "a time"
    if key in ("number", "priority"):
        return "a number"
    return int(value) if value == int(value) else value  # JavaScript has one kind


def collapsed(story: list[Told]) -> list[Told]:
    """Steps of one node in a row become one entry: how it ended, and what its pictures are like.

    The worker may leave out steps when they come too fast, but never the last one, the start or the end. Steps that
    run backwards, or end on different values, stay as they are: they are wrong. What is said in between about the queue
    or about waiting, which a busy machine does at any time, follows them.
    """
    found: list[Told] = []
    for node, group in _in_a_row(story):
        found += group if node is None or not _in_order(group) else [_steps(node, group)]
    return found


def _in_a_row(story: list[Told]) -> Iterator[tuple[str | None, list[Told]]]:
    states: dict[str, Any] = {}
    node: str | None = None
    group: list[Told] = []
    aside: list[Told] = []
    for told in story:
        if node is not None and told["type"] in _ASIDE:
            aside.append(told)
            continue
        stepped = _stepped(told, states, node)
        if told["type"] == "progress_state":
            states = told["data"]["nodes"]
        if stepped is None or stepped != node:
            yield from _ended(node, group, aside)
            group, aside = [], []
        node = stepped
        group.append(told)
    yield from _ended(node, group, aside)


def _ended(node: str | None, group: list[Told], aside: list[Told]) -> Iterator[tuple[str | None, list[Told]]]:
    yield node, group
    yield None, aside


def _stepped(told: Told, before: Mapping[str, Any], node: str | None) -> str | None:
    """The node of which *told* is a step; None when it is none."""
    data = told["data"]
    match told["type"]:
        case "progress":
            return str(data["node"])
        case "preview":
            return str(data["node_id"]) if data["node_id"] is not None else node
        case "progress_state":
            changed = [entry for name, entry in data["nodes"].items() if before.get(name) != entry]
            if all(entry["state"] == "running" and entry["value"] > 0 for entry in changed):
                return str(changed[0]["node_id"]) if changed else node
    return None


def _in_order(group: list[Told]) -> bool:
    state = progress = 0.0
    for told in group:
        if told["type"] == "progress_state":
            new = max(entry["value"] for entry in told["data"]["nodes"].values() if entry["state"] == "running")
            if new < state:
                return False
            state = new
        elif told["type"] == "progress":
            if not progress <= told["data"]["value"] <= state:
                return False
            progress = told["data"]["value"]
    return state == progress


def _steps(node: str, group: list[Told]) -> Told:
    def last(kind: str) -> Any:
        return next((told["data"] for told in reversed(group) if told["type"] == kind), None)

    pictures = sorted({json.dumps(told["data"], sort_keys=True) for told in group if told["type"] == "preview"})
    told = {"node": node, "state": last("progress_state"), "progress": last("progress")}
    return {"type": "steps", "data": {**told, "previews": [json.loads(picture) for picture in pictures]}}
