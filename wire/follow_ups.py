"""What a job shows when one of its nodes queued further prompts: the outputs of all of them, as those of one. Pure.

VideoHelperSuite's Meta Batch does so (videohelpersuite/utils.py, ``requeue_workflow``), and nodes that loop.
"""

from collections.abc import Mapping
from typing import Any


def joined_output(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any]:
    """One output of a node that ran twice: its lists one after the other, and of everything else the newer value."""
    joined = dict(before or {})
    for key, value in after.items():
        older = joined.get(key)
        joined[key] = [*older, *value] if isinstance(older, list) and isinstance(value, list) else value
    return joined
