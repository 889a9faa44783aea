"""Batch: what travels in one yield of the worker, one chunk of RunPod's stream.

Order matters: the events of a run, by ``seq``, tell the story in the order in which ComfyUI told it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from wire.errors import WireError
from wire.events import KINDS, RESULTS, Unknown, WorkerEvent
from wire.limits import BATCH_EVENTS_MAX, EVENT_DEPTH_MAX, EVENT_VALUES_MAX, PROTOCOL
from wire.plain_json import count_values, portable

_EVENT: TypeAdapter[WorkerEvent] = TypeAdapter(Annotated[WorkerEvent, Field(discriminator="kind")])
_PIECE_EVENTS, _PIECE_VALUES = 100, 10_000
"""about ten milliseconds of work"""


class NumberedEvent(BaseModel):
    """An event with its place in its run: 0, 1, 2…"""

    model_config = ConfigDict(frozen=True)

    seq: int
    event: WorkerEvent


class Batch(BaseModel):
    """One yield of the handler, one chunk of RunPod's stream."""

    model_config = ConfigDict(frozen=True)

    run: str
    """id of this run of the handler: RunPod may run a job a second time"""
    started: int
    """when the run began, milliseconds since the epoch: the run that began last counts"""
    events: tuple[NumberedEvent, ...]


def encode_event(seq: int, event: WorkerEvent) -> dict[str, Any]:
    return {"seq": seq, **event.model_dump(mode="json", exclude_none=True)}


def encode_batch(run: str, started: int, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A chunk as the handler yields it; *events* come from :func:`encode_event`."""
    return {"protocol": PROTOCOL, "run": run, "started": started, "events": list(events)}


def decode_batch(value: object) -> Batch:
    """Inverse of :func:`encode_batch`; unknown fields are ignored, NaN becomes None. Unknown kinds become Unknown, and
    so does what is only shown and cannot be read.

    Raises WireError for anything else that this version cannot read, and for more than a worker puts into a batch.
    """
    pieces = tuple(decode_pieces(value))
    return pieces[0].model_copy(update={"events": tuple(item for piece in pieces for item in piece.events)})


def decode_pieces(value: object) -> Iterator[Batch]:
    """The same batch in pieces, at least one, each decoded when it is asked for: all at once may take seconds."""
    if not isinstance(value, dict) or not isinstance(value.get("events"), list):
        raise WireError("a stream chunk is not a batch of events: check that the endpoint runs this project's image")
    if value.get("protocol") != PROTOCOL:
        raise WireError(f"the worker speaks protocol {repr(value.get('protocol'))[:40]}, this proxy {PROTOCOL}")
    if len(value["events"]) > BATCH_EVENTS_MAX:
        raise WireError(f"a batch of {len(value['events']):,} events: a worker sends {BATCH_EVENTS_MAX:,} at most")
    with _unreadable():
        around = Batch(run=value["run"], started=value["started"], events=())
    for some in _pieces(value["events"]):
        with _unreadable():
            decoded = tuple(_decode_event(portable(item)) for item in some)
        yield around.model_copy(update={"events": decoded})


def _pieces(events: Sequence[Any]) -> Iterator[list[Any]]:
    piece, size = list[Any](), 0
    for item in events:
        values = count_values(item, EVENT_VALUES_MAX, EVENT_DEPTH_MAX)
        if values > EVENT_VALUES_MAX:
            raise WireError(f"an event has more than {EVENT_VALUES_MAX:,} values, or is nested too deeply")
        if len(piece) == _PIECE_EVENTS or (piece and size + values > _PIECE_VALUES):
            yield piece
            piece, size = [], 0
        piece.append(item)
        size += values
    yield piece


@contextmanager
def _unreadable() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:  # without its input, which may hold a signed address
        first = error.errors(include_input=False)[0]
        raise WireError(f"unreadable batch of events: {first['loc']}: {first['msg']}") from None
    except (KeyError, TypeError, RecursionError) as error:
        raise WireError(f"unreadable batch of events: {str(error)[:200]}") from error


def _decode_event(item: dict[str, Any]) -> NumberedEvent:
    kind, seq = item["kind"], item["seq"]
    if kind not in KINDS:
        return NumberedEvent(seq=seq, event=Unknown(name=str(kind)[:80]))
    try:
        return NumberedEvent(seq=seq, event=_EVENT.validate_python(item))
    except ValidationError:
        if kind in RESULTS:
            raise
        return NumberedEvent(seq=seq, event=Unknown(name=kind))
