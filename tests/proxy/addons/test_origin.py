"""Who may talk to the proxy."""

import pytest

from proxy.addons.origin import refusal


def asked(
    host: str | list[str],
    origin: str | None = None,
    *,
    site: str | None = None,
    navigation: bool = False,
    allow_remote: bool = False,
) -> str | None:
    return refusal(
        method="GET",
        hosts=[host] if isinstance(host, str) else host,
        origins=[] if origin is None else [origin],
        fetch_site=site,
        fetch_mode="navigate" if navigation else "cors",
        fetch_dest="document" if navigation else "empty",
        allow_remote=allow_remote,
    )


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8189", None),
        ("localhost:8189", "http://localhost:8189"),
        ("127.0.0.1:8189", "http://127.0.0.1:8189"),
        ("LOCALHOST:8189", "http://localhost:8189"),
        ("[::1]:8189", "http://[::1]:8189"),
        ("localhost", "http://localhost:8189"),
        ("127.0.0.1", None),
    ],
)
def test_the_persons_own_page_and_scripts_are_welcome(host: str, origin: str | None) -> None:
    assert asked(host, origin) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example", None),
        ("evil.example", "http://evil.example"),
        ("localhost.evil.example:8189", None),
        ("127.0.0.1.nip.io", None),
        ("localhost.:8189", None),
        ("0x7f000001", None),
        ("2130706433", None),
        ("localhost@evil.example", None),
        ("evil.example#localhost", None),
        ("192.168.0.5:8189", None),
        ("", None),
        ("localhost:99999", None),
        ("localhost:8189", "http://evil.example"),
        ("localhost:8189", "http://127.0.0.1:8189"),
        ("127.0.0.1:8189", "http://localhost:8189"),
        ("localhost:8189", "http://localhost:8188"),
        ("localhost:8189", "http://localhost:3000"),
        ("localhost:8189", "null"),
        ("localhost:8189", ""),
        ("localhost:8189", "file://localhost:8189"),
        ("localhost:8189", "http://localhost:8189@evil.example"),
        ("localhost:8189", "http://localhost:8189/"),
        ("localhost:8189", "chrome-extension://localhost:8189"),
    ],
)
def test_others_are_not(host: str, origin: str | None) -> None:
    assert asked(host, origin) is not None


def test_two_hosts_are_no_host() -> None:
    assert asked([]) is not None
    assert asked(["localhost:8189", "evil.example"]) is not None


def test_a_link_on_another_site_may_open_the_page_but_fetch_nothing() -> None:
    assert asked("localhost:8189", site="cross-site", navigation=True) is None
    assert asked("localhost:8189", site="cross-site") is not None
    assert asked("localhost:8189", site="same-origin") is None


def test_remote_use_takes_addresses_but_no_names() -> None:
    assert asked("192.168.0.5:8189", "http://192.168.0.5:8189", allow_remote=True) is None
    assert asked("evil.example", allow_remote=True) is not None
