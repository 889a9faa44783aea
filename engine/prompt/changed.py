"""The prompt as it ran, which custom nodes of the worker may have changed, such as wildcards and global seeds.

It is only shown: what is submitted again is always the person's own prompt, because a worker is not trusted with
what the proxy reads and sends.
"""

from collections.abc import Mapping
from typing import Any

from engine.prompt.submission import SubmissionRefused, classes
from wire.changes import applied
from wire.events import PromptChanged
from wire.limits import NESTING_MAX, PROMPT_CHANGES_MAX
from wire.plain_json import dumps, is_deeper


def changed_prompt(
    prompt: Mapping[str, Any], extra_data: Mapping[str, Any], changed: PromptChanged
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """*prompt* and *extra_data* with the changes; None when these are too large, or when it is not a prompt with them.

    Inputs that no change names stay the person's, also file names that were rewritten for the worker.
    """
    try:
        return _checked(prompt, extra_data, changed)
    except (SubmissionRefused, ValueError, TypeError, RecursionError):  # it only decorates the result
        return None


def _checked(
    prompt: Mapping[str, Any], extra_data: Mapping[str, Any], changed: PromptChanged
) -> tuple[dict[str, Any], dict[str, Any]] | None:
    if len(dumps(changed.model_dump(mode="json"))) > PROMPT_CHANGES_MAX:
        return None
    shown = applied(prompt, changed.prompt)
    more = {**extra_data, **_pnginfo(extra_data.get("extra_pnginfo"), changed)}
    if is_deeper([shown, more], NESTING_MAX):
        return None
    classes({"prompt": shown})
    return shown, more


def _pnginfo(value: Any, changed: PromptChanged) -> dict[str, Any]:
    """Empty when the page did not send any: then there is nothing to change."""
    if not isinstance(value, dict):
        return {}
    shown = applied(value, changed.extra_pnginfo)
    return {"extra_pnginfo": shown} if isinstance(shown, dict) else {}
