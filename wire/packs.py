"""PackFile: a small data file of a custom node pack, such as a list of wildcards. Each end has its own copy."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from wire.files import Sha256

PACK_FILES_MAX = 100
"""of one job"""
PackName = Annotated[str, Field(max_length=200)]


class PackFile(BaseModel):
    """*path* is relative to ``custom_nodes``, with the pack's own folder first. It is data from outside: confine it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: PackName
    sha256: Sha256
