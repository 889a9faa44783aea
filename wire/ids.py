"""Names for the identifiers that travel between the rooms; all of them are opaque strings."""

import uuid
from typing import NewType, TypeGuard

PromptId = NewType("PromptId", str)
"""A canonical lowercase UUID; minted by the proxy, used by ComfyUI on both ends."""


def is_prompt_id(value: object) -> TypeGuard[PromptId]:
    """Whether ComfyUI takes *value* as the id of a prompt. Source: ComfyUI 0.33.0, comfy_execution/jobs.py."""
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False


ClientId = NewType("ClientId", str)
"""The ``sid`` of a ComfyUI websocket: 32 hex digits when ComfyUI chose it."""

RunPodJobId = NewType("RunPodJobId", str)
"""RunPod's id of a job, such as ``eaebd6e7-6a92-4bb8-a911-f996ac5ea99d-u1``."""
