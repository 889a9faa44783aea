"""Progress of a node, as ComfyUI counts it."""

import math
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


Finite = Annotated[float, BeforeValidator(lambda value: 0.0 if value is None else value), AfterValidator(_finite)]
"""A number of ComfyUI's; NaN and infinities, which JSON does not have, count as 0."""


class NodeProgress(BaseModel):
    """One entry of ComfyUI's ``progress_state`` (comfy_execution/progress.py); fields that we do not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    value: Finite
    max: Finite
    state: str
    node_id: str
    display_node_id: str | None = None
    parent_node_id: str | None = None
    real_node_id: str | None = None
