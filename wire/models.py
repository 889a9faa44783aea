"""ModelRef: a model that a job or a manifest wants to be there, with the place that it comes from."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wire.errors import WireError
from wire.plain_text import one_line

_MODELS_MAX = 10_000


class ModelRef(BaseModel):
    """*source*: ``https://…``, ``hf://owner/repository[@revision]/path``, ``civitai://version-id``, ``s3://bucket/key``.

    *folder* is a kind of model (``checkpoints``, ``loras``…). *filename* may hold folders, and is the last part of
    *source* unless given. All of them are data from outside: confine before use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(max_length=8192)
    folder: str = Field(max_length=100)
    filename: str | None = Field(default=None, max_length=1024)
    size: int | None = Field(default=None, ge=0, lt=2**63)
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")


def decode_models(value: object) -> tuple[ModelRef, ...]:
    """A manifest: a list of models, or an object with one under ``models``; raises WireError that names the entry."""
    listed: Any = value.get("models") if isinstance(value, dict) else value
    if listed is None:
        return ()
    if not isinstance(listed, list):
        raise WireError("a manifest of models is a list, or an object with a list under `models`")
    if len(listed) > _MODELS_MAX:
        raise WireError(f"a manifest of models has more than {_MODELS_MAX} of them")
    return tuple(_decode_model(number, item) for number, item in enumerate(listed, 1))


def _decode_model(number: int, item: object) -> ModelRef:
    try:
        return ModelRef.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise WireError(f"model {number} of the manifest: {one_line(place, 100)}: {first['msg']}") from None
