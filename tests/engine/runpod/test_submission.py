"""The one call that costs money: over every status and every kind of body, what is certain and what is not."""

import json

import pytest

from engine.runpod.submission import Accepted, Busy, Denied, Uncertain, verdict

BODIES = {
    "an object with an id": b'{"id": "a-u1", "status": "IN_QUEUE"}',
    "an object without one": b'{"status": "IN_QUEUE"}',
    "an error": b'{"error": "too many requests"}',
    "an id that is no text": b'{"id": 7}',
    "an empty id": b'{"id": ""}',
    "a list": b"[1]",
    "null": b"null",
    "HTML": b"<html>Bad gateway</html>",
    "nothing": b"",
    "a cut answer": b'{"id": "a-u1", "sta',
    "deep nesting": b"[" * 100_000,
    "no text": b"\xff\xfe",
}
STATUSES = range(100, 600)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_of_all_statuses_only_what_is_certain_counts(body: bytes) -> None:
    for status in STATUSES:
        found = verdict(status, {}, body)

        if 200 <= status < 300:
            accepted = body == BODIES["an object with an id"]
            assert type(found) is (Accepted if accepted else Uncertain)
        elif status == 429:
            assert type(found) is (Busy if body == BODIES["an error"] else Uncertain)
        else:
            assert type(found) is (Denied if 400 <= status < 500 else Uncertain)


def test_the_id_is_taken_from_the_answer() -> None:
    assert verdict(200, {}, BODIES["an object with an id"]) == Accepted("a-u1")  # type: ignore[arg-type]


@pytest.mark.parametrize("header", ["Retry-After", "RateLimit", "ratelimit-policy", "X-RateLimit-Limit"])
def test_a_rate_limit_is_runpods_own_by_its_headers_too(header: str) -> None:
    assert isinstance(verdict(429, {header: "1"}, b""), Busy)


def test_what_runpod_said_is_told_and_cut() -> None:
    assert verdict(502, {}, b"x" * 9000) == Uncertain(f"RunPod answered the submission with 502: {'x' * 200}")
    assert verdict(400, {}, json.dumps({"error": "bad request"}).encode()) == Denied(400, '{"error": "bad request"}')
