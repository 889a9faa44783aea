import pytest

from sandbox.endpoint.border import page_refusal


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ([("Host", "127.0.0.1:8190")], True),
        ([("host", "localhost"), ("Authorization", "k")], True),
        ([("Host", "127.0.0.1:8190"), ("Sec-Fetch-Site", "none")], True),
        ([("Host", "127.0.0.1:8190"), ("Origin", "http://127.0.0.1:8190")], False),
        ([("Host", "127.0.0.1:8190"), ("Origin", "")], False),
        ([("Host", "127.0.0.1:8190"), ("Sec-Fetch-Site", "same-origin")], False),
        ([("Host", "127.0.0.1:8190"), ("Sec-Fetch-Site", "none"), ("sec-fetch-site", "cross-site")], False),
        ([("Host", "evil.example:8190")], False),
        ([("Host", "10.0.0.1:8190")], False),
        ([("Host", "localhost"), ("Host", "evil.example")], False),
        ([], False),
    ],
)
def test_what_a_page_may_have_caused_is_refused(headers: list[tuple[str, str]], *, allowed: bool) -> None:
    assert (page_refusal("GET", headers) is None) == allowed
