"""Who may talk to a server of ours."""

import pytest

from wire.origin import refusal


def asked(host: str | list[str], origin: str | None = None, *, allow_remote: bool = False, **fetch: str) -> str | None:
    """Whether a GET is refused; *fetch* are Sec-Fetch headers."""
    hosts = [host] if isinstance(host, str) else host
    headers = [("Host", value) for value in hosts] + ([] if origin is None else [("Origin", origin)])
    headers += [(f"Sec-Fetch-{name}", value) for name, value in fetch.items()]
    return refusal("GET", headers, allow_remote=allow_remote)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8189", None),
        ("localhost:8189", "http://localhost:8189"),
        ("127.0.0.1:8189", "http://127.0.0.1:8189"),
        ("LOCALHOST:8189", "http://localhost:8189"),
        ("[::1]:8189", "http://[::1]:8189"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
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
        ("localhost:8189", "http://localhost"),
        ("localhost:8189", "https://localhost"),
        ("localhost:8189", "https://localhost:8189"),
        ("localhost", "http://localhost:8189"),
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
    assert asked("localhost:8189", site="cross-site", mode="navigate", dest="document") is None
    assert asked("localhost:8189", site="cross-site", mode="navigate", dest="iframe") is not None
    assert asked("localhost:8189", site="cross-site", mode="no-cors", dest="image") is not None
    assert asked("localhost:8189", site="same-origin") is None


def test_remote_use_takes_addresses_but_no_names() -> None:
    assert asked("192.168.0.5:8189", "http://192.168.0.5:8189", allow_remote=True) is None
    assert asked("evil.example", allow_remote=True) is not None
