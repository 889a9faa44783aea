"""A catalog on its way: whole, in order, or not at all."""

import random

import pytest

from wire.catalog import Catalog, decode_catalog
from wire.errors import WireError
from wire.events import CatalogPiece, CatalogTold
from wire.files import decode_bytes
from worker.catalog.packed import pack
from worker.events.coalescer import Coalescer

NOISE = {f"{number}": {"a": random.Random(number).randbytes(2000).hex()} for number in range(700)}


def test_whoever_has_it_is_only_told_its_name() -> None:
    packed = pack(Catalog(comfyui="1"))

    assert list(packed.told(packed.sha256)) == [CatalogTold(sha256=packed.sha256)]


def test_the_pieces_make_the_catalog() -> None:
    catalog = Catalog(nodes=NOISE)
    packed = pack(catalog)

    told, *pieces = packed.told("")

    assert isinstance(told, CatalogTold)
    assert len(pieces) > 2
    assert all(isinstance(piece, CatalogPiece) and piece.count == len(pieces) for piece in pieces)
    joined = b"".join(decode_bytes(piece.data) for piece in pieces if isinstance(piece, CatalogPiece))
    assert decode_catalog(joined, packed.sha256) == catalog


def test_each_piece_leaves_in_a_batch_of_its_own_in_order() -> None:
    coalescer = Coalescer()
    events = list(pack(Catalog(nodes=NOISE)).told(""))
    for event in events:
        coalescer.add(event)

    sent = []
    while coalescer:
        sent.append(coalescer.take(0.0))

    assert [item["kind"] for batch in sent for item in batch] == [event.kind for event in events]
    assert [item["number"] for batch in sent for item in batch if "number" in item] == list(range(len(events) - 1))
    assert coalescer.weight == 0


def test_what_its_receiver_would_refuse_is_not_sent() -> None:
    deep: list[object] = []
    for _ in range(60):
        deep = [deep]

    with pytest.raises(WireError, match="nested"):
        pack(Catalog(nodes={"A": {"input": deep}}))


def test_a_file_begins_with_the_name_of_its_content() -> None:
    packed = pack(Catalog(comfyui="1"))
    name, _, content = packed.file().partition(b"\n")

    assert decode_catalog(content, name.decode()).comfyui == "1"
