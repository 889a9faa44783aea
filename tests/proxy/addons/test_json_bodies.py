"""Reading and replacing JSON bodies."""

import gzip
import zlib
from typing import Any

import pytest

from proxy.addons.json_bodies import BodyUnreadable, body_object, content, replace_body, upstream_list, upstream_object
from tests.support.flows import answer, answered, asked


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"clear": true}', {"clear": True}),
        (b"", {}),
        (b"not JSON", {}),
        (b"[1]", {}),
        (b"null", {}),
        (b"\xff\xfe", {}),
        (b'{"a": NaN, "b": 1e999}', {"a": None, "b": None}),
    ],
)
def test_a_request_holds_an_object_or_nothing(body: bytes, found: dict[str, Any]) -> None:
    assert body_object(asked("POST", "/queue", body)) == found


@pytest.mark.parametrize(
    ("body", "status", "found"),
    [
        (b'{"a": 1}', 200, {"a": 1}),
        (b'{"a": NaN}', 200, {"a": None}),
        (b'{"a": 1}', 500, None),
        (b"[1]", 200, None),
        (b"<html>", 200, None),
        (b"", 200, None),
    ],
)
def test_an_answer_is_read_when_it_is_a_good_object(body: bytes, status: int, found: dict[str, Any] | None) -> None:
    assert upstream_object(answered(asked("GET", "/queue"), body, status)) == found


def test_a_list_is_read_where_one_is_expected() -> None:
    assert upstream_list(answered(asked("GET", "/extensions"), b'["a"]')) == ["a"]
    assert upstream_list(answered(asked("GET", "/extensions"), b'{"a": 1}')) is None


def _packed(data: bytes) -> bytes:
    """The same at any time of day: it names a test."""
    return gzip.compress(data, mtime=0)


PACKED = _packed(b"x" * 1000)


@pytest.mark.parametrize(
    ("coding", "raw", "found"),
    [
        ("", b"x" * 1000, b"x" * 1000),
        ("identity", b"x", b"x"),
        ("gzip", PACKED, b"x" * 1000),
        ("GZIP", PACKED, b"x" * 1000),
        ("deflate", zlib.compress(b"y"), b"y"),
        ("identity", b"x" * 1001, None),
        ("gzip", _packed(b"x" * 1001), None),
        ("gzip", _packed(bytes(100_000_000)), None),
        ("gzip", PACKED[:-9], None),
        ("gzip", b"x", None),
        ("br", b"x", None),
        ("gzip, gzip", PACKED, None),
    ],
)
def test_a_body_is_decoded_up_to_its_budget(coding: str, raw: bytes, found: bytes | None) -> None:
    flow = asked("POST", "/queue", raw, **({"Content_Encoding": coding} if coding else {}))
    if found is None:
        with pytest.raises(BodyUnreadable):
            content(flow.request, 1000)
    else:
        assert content(flow.request, 1000) == found


def test_there_is_no_object_before_the_answer() -> None:
    assert upstream_object(asked("GET", "/queue")) is None


def test_a_compressed_answer_is_read_and_replaced_by_a_plain_one() -> None:
    flow = answered(asked("GET", "/queue"), b'{"a": 1}', Content_Encoding="gzip")
    assert flow.response is not None
    assert flow.response.raw_content != b'{"a": 1}'
    found = upstream_object(flow)
    replace_body(flow, '{"a": 2}')

    assert found == {"a": 1}
    assert answer(flow) == (200, {"a": 2})
    assert "Content-Encoding" not in flow.response.headers


def test_without_an_answer_there_is_nothing_to_replace() -> None:
    with pytest.raises(RuntimeError, match="no answer"):
        replace_body(asked("GET", "/queue"), "{}")
