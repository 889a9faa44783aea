"""PromptChanges: compares the prompt that was submitted with the one that ComfyUI queued. Pure.

Handlers of custom nodes change it in between, such as wildcards and global seeds (ComfyUI, server.py
``trigger_on_prompt``); so does ComfyUI, which makes numbers of texts (execution.py, ``validate_inputs``).
"""

from collections.abc import Mapping
from itertools import islice
from typing import Any

from wire.changes import Change, difference
from wire.events import PromptChanged
from wire.limits import PROMPT_CHANGES, PROMPT_CHANGES_MAX
from wire.plain_json import dumps

_NOTHING = PromptChanged()


class PromptChanges:
    """Of one prompt, with its *extra_data*, as they were submitted."""

    def __init__(self, prompt: Mapping[str, Any], extra_data: Mapping[str, Any]) -> None:
        self._prompt, self._pnginfo = prompt, extra_data.get("extra_pnginfo")
        self._told = _NOTHING

    def seen(self, item: object) -> PromptChanged | None:
        """What is different in *item*, ``[number, prompt_id, prompt, extra_data, …]`` of ComfyUI's queue or history;
        None when there is nothing new to tell.

        The page's workflow is left out when all together are too much, and then the rest.
        """
        match item:
            case [_, _, dict(prompt), dict(extra_data), *_]:
                changed = self._changed(prompt, extra_data.get("extra_pnginfo"))
            case _:
                return None
        if changed == self._told:
            return None
        self._told = changed
        return changed

    def _changed(self, prompt: dict[str, Any], pnginfo: Any) -> PromptChanged:
        inputs, workflow = _some(self._prompt, prompt), _some(self._pnginfo, pnginfo)
        for changed in (PromptChanged(prompt=inputs, extra_pnginfo=workflow), PromptChanged(prompt=inputs)):
            if _size(changed) <= PROMPT_CHANGES_MAX:
                return changed
        return _NOTHING


def _some(before: Any, after: Any) -> tuple[Change, ...]:
    """The changes; empty when they are too many, or when one side is not an object."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ()
    found = tuple(islice(difference(before, after), PROMPT_CHANGES + 1))
    return found if len(found) <= PROMPT_CHANGES else ()


def _size(changed: PromptChanged) -> int:
    return len(dumps(changed.model_dump(mode="json")))
