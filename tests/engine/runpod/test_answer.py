"""What an answer says to whoever asked."""

import pytest

from engine.runpod.answer import ANSWER_MAX, Answer, EndpointRejected, EndpointUnavailable, JobGone


def answer(status: int, body: bytes = b"{}", **headers: str) -> Answer:
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"", b'"text"', b"[" * 100_000, b'{"a": '])
def test_what_is_not_an_object_is_no_answer(body: bytes) -> None:
    with pytest.raises(EndpointUnavailable):
        answer(200, body).json()


def test_an_answer_that_was_cut_is_not_read_as_if_it_were_whole() -> None:
    whole = Answer(200, b"{}", {})
    cut = Answer(200, b"{}", {}, is_too_long=True)

    assert whole.json() == {}
    with pytest.raises(EndpointUnavailable, match=f"longer than {ANSWER_MAX // 1024 // 1024} MiB"):
        cut.json()


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (401, b"", EndpointRejected, "RUNPOD_API_KEY"),
        (404, b'{"error": "job not found"}', JobGone, "job not found"),
        (404, b'{"detail": "endpoint not found"}', EndpointRejected, "RUNPOD_ENDPOINT_ID"),
        (404, b"<html>not found</html>", EndpointUnavailable, "404"),
        (400, b"x" * 1000, EndpointRejected, "x" * 200),
        (429, b"{}", EndpointUnavailable, "429"),
        (502, b"bad gateway", EndpointUnavailable, "bad gateway"),
    ],
)
def test_a_failure_says_whose_fault_it_is(status: int, body: bytes, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        answer(status, body).raise_for_failure()

    assert len(str(caught.value)) < 400


def test_a_success_is_no_failure() -> None:
    answer(204).raise_for_failure()


def test_the_time_to_wait_is_capped() -> None:
    assert answer(429, Retry_After="7").retry_after_s() == 7
    assert answer(429, Retry_After="1e9").retry_after_s() == 60
    assert answer(429).retry_after_s() is None
