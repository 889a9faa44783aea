"""Secrets do not leave the worker."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.redact import Redact

SECRET = "sesame-open-sesame"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [secret]"),
        ("GET /x?token=abc&y=1", "GET /x?token=[secret]&y=1"),
        ("GET /x?a=1&api_key=abc HTTP/1.1", "GET /x?a=1&api_key=[secret] HTTP/1.1"),
        ("https://b.s3/x?X-Amz-Signature=00ff&y", "https://b.s3/x?X-Amz-Signature=[secret]&y"),
        ("https://me:pass@host/x", "https://[secret]@host/x"),
        ("hf_abcdefghijklmnop is a token", "[secret] is a token"),
        ("rpa_ABCDEFGHIJKLMNOP rps_ABCDEFGHIJKLMNOP sk-abcdefghijklmnop", "[secret] [secret] [secret]"),
    ],
)
def test_what_has_the_shape_of_a_key_is_taken_out(text: str, shown: str) -> None:
    assert Redact([]).text(text) == shown


@pytest.mark.parametrize("text", ["a token of love", "hf_short", "bearer of news", "https://host/x?page=2", ""])
def test_ordinary_words_stay(text: str) -> None:
    assert Redact([]).text(text) == text


def test_a_known_secret_is_taken_out_wherever_it_is() -> None:
    assert Redact([SECRET]).text(f"<{SECRET}{SECRET}>") == "<[secret][secret]>"


def test_a_secret_within_another_does_not_save_the_rest_of_it() -> None:
    assert Redact([SECRET, f"{SECRET}-and-more"]).text(f"{SECRET}-and-more") == "[secret]"


def test_short_values_are_no_secrets() -> None:
    assert Redact(["cuda", ""]).text("cuda:0") == "cuda:0"


VALUES = st.recursive(
    st.text() | st.just(SECRET) | st.integers() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.just("k"), inner),
)


@given(VALUES)
def test_no_text_of_a_json_value_has_the_secret(value: Any) -> None:
    assert SECRET not in json.dumps(Redact([SECRET]).value(value))


def test_the_shape_of_a_value_stays() -> None:
    value = {"a": [1, True, None, 1.5, {"b": SECRET}], "c": ("x", SECRET)}

    assert Redact([SECRET]).value(value) == {"a": [1, True, None, 1.5, {"b": "[secret]"}], "c": ["x", "[secret]"]}
