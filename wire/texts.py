"""EmbeddedText: a long text of a prompt, such as a picture as base64, that travels beside it. Pure.

Painters and nodes such as LoadImageBase64 keep a picture in a text, in the prompt and again in the workflow; one or two
make a job larger than RunPod takes. So a job names such a text once, and where it belongs.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from wire.errors import WireError
from wire.files import Sha256, Source
from wire.limits import KEPT_MIN, MIB, REQUEST_NESTING_MAX

TEXTS_MAX, PLACES_MAX = 1_000, 1_000
"""of one job, and of one text"""
TEXTS_BYTES_MAX = 64 * MIB
"""of all texts of a job, in all their places"""

Place = Annotated[tuple[str | int, ...], Field(min_length=2, max_length=REQUEST_NESTING_MAX)]
"""the keys and positions that lead to a text: ``("workflow", "5", "inputs", "image")``"""
_FIELDS = ("workflow", "extra_data")


class EmbeddedText(BaseModel):
    """A text in UTF-8, known by its SHA-256; the request has an empty text in each of its *places*."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: Sha256
    size: int = Field(ge=0)
    source: Source
    places: tuple[Place, ...] = Field(max_length=PLACES_MAX)


def encode_text(text: str) -> bytes:
    """Its bytes; halves of characters, which JSON allows, survive."""
    return text.encode("utf-8", "surrogatepass")


def decode_text(content: bytes) -> str:
    """Raises WireError for what is not UTF-8."""
    try:
        return content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise WireError(f"a text of the prompt is not UTF-8: {error}") from error


def long_texts(fields: Mapping[str, Any]) -> dict[str, tuple[Place, ...]]:
    """The texts of KEPT_MIN characters and more in *fields* of a request, each with all its places."""
    found: dict[str, list[Place]] = {}
    for text, place in _texts(fields, ()):
        found.setdefault(text, []).append(place)
    return {text: tuple(places[:PLACES_MAX]) for text, places in list(found.items())[:TEXTS_MAX]}


def with_texts(fields: Mapping[str, Any], texts: Iterable[tuple[Iterable[Place], str]]) -> dict[str, Any]:
    """*fields* of a request with each text in its places, where they have another text. Raises WireError for a place
    that does not exist.
    """
    changed: dict[str, Any] = dict(fields)
    copied = set[Place]()
    for places, text in texts:
        for place in places:
            if place[0] not in _FIELDS or len(place) > REQUEST_NESTING_MAX:
                raise WireError(f"a text belongs into {place[0]!r}, which is not a part of the prompt")
            _put(changed, place, text, copied)
    return changed


def _texts(value: Any, place: Place) -> Iterator[tuple[str, Place]]:
    match value:
        case str():
            if len(value) >= KEPT_MIN:
                yield value, place
        case list():
            for position, item in enumerate(value):
                yield from _texts(item, (*place, position))
        case dict():
            for key, item in value.items():
                if key.isprintable():  # no half of a character, which a Place cannot have
                    yield from _texts(item, (*place, key))


def _put(document: dict[str, Any], place: Place, text: str, copied: set[Place]) -> None:
    """Every list and object on the way is copied once, so that nobody else's document changes."""
    parent: Any = document
    try:
        for depth, key in enumerate(place[:-1], 1):
            if place[:depth] not in copied:
                parent[key] = parent[key].copy()
                copied.add(place[:depth])
            parent = parent[key]
        if not isinstance(parent[place[-1]], str):
            raise WireError("a text belongs where the prompt has none")
        parent[place[-1]] = text
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise WireError("a text belongs into a place that the prompt does not have") from error
