"""Whose an address is, and whether it is for everybody. The tables are in tests/security/test_addresses.py."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.addresses import AddressRefused, Origin, ip_address, is_public, origin_of


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin_of("https://Example.com/a?b") == Origin("https", "example.com", 443)
    assert origin_of("http://[::1]:9000") == Origin("http", "[::1]", 9000)


@pytest.mark.parametrize(("host", "found"), [("[::1]", "::1"), ("127.0.0.1", "127.0.0.1"), ("a", None), ("[a]", None)])
def test_an_ip_address_is_told_from_a_name(host: str, found: str | None) -> None:
    assert ip_address(host) == (None if found is None else ipaddress.ip_address(found))


@pytest.mark.parametrize(("text", "public"), [("8.8.8.8", True), ("10.0.0.1", False), ("::1", False)])
def test_an_address_is_for_everybody_or_it_is_not(text: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is public


@given(st.text() | st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "HTTPS"]), st.text(), st.text()))
def test_any_text_is_an_address_or_refused(text: Any) -> None:
    try:
        origin = origin_of(text)
    except AddressRefused as error:
        assert str(error).isprintable()
    else:
        assert origin_of(f"{origin.scheme}://{origin.host}:{origin.port}/") == origin
