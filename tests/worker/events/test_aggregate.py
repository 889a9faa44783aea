"""What RunPod's SDK repeats at a job's end: all of it while it is small, without the bytes of files when it is not."""

from typing import Any

from wire.batch import decode_batch, encode_batch, encode_event
from wire.events import CatalogPiece, FileChunk, NodeStarted, Omitted, Preview, WorkerEvent
from worker.events.aggregate import Aggregate


def batch(*events: WorkerEvent) -> dict[str, Any]:
    return encode_batch("run", 1, [encode_event(seq, event) for seq, event in enumerate(events)])


def kinds(value: dict[str, Any]) -> list[str]:
    return [numbered.event.kind for numbered in decode_batch(value).events]


def test_small_jobs_are_repeated_whole() -> None:
    aggregate, sent = (
        Aggregate(limit=100),
        batch(FileChunk(transfer=0, offset=0, data="x" * 100), NodeStarted(node="y")),
    )
    aggregate.posted(sent)

    assert kinds(sent) == ["file_chunk", "node_started"]


def test_of_large_ones_the_order_stays_and_the_bytes_go() -> None:
    aggregate = Aggregate(limit=100)
    sent = [batch(FileChunk(transfer=0, offset=0, data="x" * 60), NodeStarted(node="y")) for _ in range(2)]
    sent.append(batch(Preview(node="1", image_type="image/png", data="x")))
    for each in sent:
        aggregate.posted(each)

    assert [kinds(each) for each in sent] == [["omitted", "node_started"], ["omitted", "node_started"], ["omitted"]]
    assert decode_batch(sent[2]).events[0].event == Omitted()


def test_a_catalog_never_takes_the_room_of_results() -> None:
    aggregate = Aggregate(limit=100)
    piece = CatalogPiece(sha256="a" * 64, number=0, count=1, data="x" * 1000)
    sent = [batch(FileChunk(transfer=0, offset=0, data="x" * 60)), batch(piece, NodeStarted(node="y"))]
    for each in sent:
        aggregate.posted(each)

    assert [kinds(each) for each in sent] == [["file_chunk"], ["omitted", "node_started"]]
