"""The rule about pages that are not the proxy's own, as a table; the wiring and a browser are in test_pages.py."""

from itertools import product

import pytest

from wire.origin import refusal

NAMES = {"box.lan": "http", "box.example": "https"}
Headers = tuple[tuple[str, str], ...]

OWN = {
    "localhost:8189": "http://localhost:8189",
    "LocalHost:8189": "http://localhost:8189",
    "127.0.0.1:8189": "http://127.0.0.1:8189",
    "[::1]:8189": "http://[::1]:8189",
    "192.168.1.5:8189": "http://192.168.1.5:8189",
    "box.lan:8189": "http://box.lan:8189",
    "localhost": "http://localhost",
    "localhost:80": "http://localhost",
    "box.lan": "http://box.lan:80",
    "box.example": "https://box.example",
    "box.example:443": "https://box.example",
    "box.example:8443": "https://box.example:8443",
}
"""Host headers of the proxy, each with the Origin of its own page"""
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "BREW", "post", "websocket")
SAFE = ("GET", "HEAD")
BESIDE = (
    *("http://{name}", "https://{name}", "http://{name}:3000", "https://{name}:3000", "https://{name}:8189"),
    *("http://{name}:8188", "http://{name}:80", "https://{name}:443", "http://{name}.:8189", "http://x.{name}:8189"),
    *(
        "null",
        "",
        "file://",
        "data:",
        "{name}:8189",
        "//{name}:8189",
        "http://",
        "http://{name}:",
        "http://{name}:08190",
    ),
    *("http://{name}:8189.evil.example", "http://evil.example:8189", "http://{name}:8189/", "http://{name}:8189@evil"),
    *(
        "chrome-extension://{name}:8189",
        "ws://{name}:8189",
        "http:{name}:8189",
        "HTTP://evil.example",
        "http://{name}:0",
    ),
    *(
        "http://{name}:8189, http://{name}:8189",
        "http://{name}:8189 ",
        "http://{name}:8189\x00",
        "http://[{name}]:8189",
    ),
)
"""what Origin may say beside the proxy's own page"""


def judged(method: str, *headers: tuple[str, str]) -> str | None:
    upgrade = (("Upgrade", "websocket"),) if method == "websocket" else ()
    return refusal("GET" if upgrade else method, (*headers, *upgrade), allow_remote=True, names=NAMES)


def foreign_origins(host: str) -> list[str]:
    name = host.lower() if host.endswith("]") else host.lower().rpartition(":")[0] or host.lower()
    default = {"http": ":80", "https": ":443"}[OWN[host].partition(":")[0]]
    own = {OWN[host], OWN[host].removesuffix(default), OWN[host] + default}
    return [origin for origin in (form.format(name=name) for form in BESIDE) if origin not in own]


@pytest.mark.parametrize(
    ("host", "origin"), [(host, origin) for host in OWN for origin in foreign_origins(host)], ids=ascii
)
def test_the_origin_of_another_page_is_refused_whatever_else_is_sent(host: str, origin: str) -> None:
    for method, site in product((*UNSAFE, *SAFE), (None, "same-origin", "none", "same-site", "cross-site")):
        sent = () if site is None else (("Sec-Fetch-Site", site),)

        assert judged(method, ("Host", host), ("Origin", origin), *sent) is not None, (method, site)


@pytest.mark.parametrize("host", OWN)
def test_our_own_page_and_programs_are_let_in(host: str) -> None:
    for method, site in product((*UNSAFE, *SAFE), (None, "same-origin", "none")):
        sent = (
            () if site is None else (("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"))
        )

        assert judged(method, ("Host", host), ("Origin", OWN[host]), *sent) is None, (method, site)
        assert judged(method, ("Host", host), *sent) is None, (method, site)


ODD_METADATA: dict[str, Headers] = {
    "another site": (("Sec-Fetch-Site", "cross-site"),),
    "another port": (("Sec-Fetch-Site", "same-site"),),
    "empty": (("Sec-Fetch-Site", ""),),
    "upper case": (("Sec-Fetch-Site", "Same-Origin"),),
    "a list": (("Sec-Fetch-Site", "same-origin, same-origin"),),
    "a parameter": (("Sec-Fetch-Site", "same-origin;x=1"),),
    "twice the same": (("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "same-origin")),
    "good and bad": (("Sec-Fetch-Site", "same-origin"), ("sec-fetch-site", "cross-site")),
    "unheard of": (("Sec-Fetch-Site", "same-party"),),
    "not said, but the mode": (("Sec-Fetch-Mode", "cors"),),
    "not said, but for what": (("Sec-Fetch-Dest", "empty"),),
    "not said, but by whom": (("Sec-Fetch-User", "?1"),),
    "a link": (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")),
    "a picture": (("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")),
}


@pytest.mark.parametrize("metadata", ODD_METADATA.values(), ids=ODD_METADATA)
def test_what_changes_something_comes_from_our_page_or_from_a_program_that_says_nothing(metadata: Headers) -> None:
    for method, host in product(UNSAFE, OWN):
        assert judged(method, ("Host", host), *metadata) is not None, (method, host)
        assert judged(method, ("Host", host), ("Origin", OWN[host]), *metadata) is not None, (method, host)


SHOWN = {
    ("cross-site", "navigate", "document"): True,  # a link
    ("same-site", "navigate", "document"): True,
    ("same-site", "no-cors", "image"): True,  # a picture in a page of another port, as ComfyUI lets it be shown
    ("same-site", "no-cors", "video"): True,
    ("same-site", "no-cors", "audio"): True,
    ("cross-site", "no-cors", "image"): False,
    ("cross-site", "no-cors", "video"): False,
    ("same-site", "no-cors", "script"): False,
    ("same-site", "no-cors", "style"): False,
    ("same-site", "no-cors", "empty"): False,
    ("same-site", "cors", "image"): False,
    ("same-site", "cors", "empty"): False,
    ("same-site", "navigate", "iframe"): False,  # a frame is clicked through
    ("same-site", "navigate", "frame"): False,
    ("same-site", "navigate", "object"): False,
    ("same-site", "navigate", "embed"): False,
    ("same-site", "nested-navigate", "document"): False,
    ("same-site", "no-cors", "a-new-kind"): False,
    ("same-site", "websocket", "websocket"): False,
    ("cross-site", "navigate", "iframe"): False,
    ("cross-site", "navigate", ""): False,
    ("same-party", "navigate", "document"): False,
    ("", "navigate", "document"): False,
    ("same-site, same-site", "no-cors", "image"): False,
    ("same-site", "no-cors", "image, image"): False,
    ("same-origin", "navigate", "iframe"): True,
    ("none", "navigate", "document"): True,
}


@pytest.mark.parametrize(("metadata", "is_shown"), SHOWN.items(), ids=str)
def test_another_page_may_open_ours_and_show_its_pictures(metadata: tuple[str, str, str], is_shown: bool) -> None:
    names = ("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest")
    for method, host in product(SAFE, OWN):
        assert (judged(method, ("Host", host), *zip(names, metadata, strict=True)) is None) == is_shown


REBOUND = (
    *("evil.example", "evil.example:8189", "localhost.evil.example:8189", "127.0.0.1.nip.io:8189", "x.localhost:8189"),
    *("localhost.:8189", "localhost:", "localhost:8189:8189", "localhost:99999", "localhost:-1", "localhost: 8189"),
    *(
        "0x7f000001",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "\uff11\uff12\uff17.0.0.1",
        "[::1",
        "::1",
        "::1:8189",
        "[::1]8189",
    ),
    *(
        "localhost@evil.example",
        "evil.example#localhost",
        "localhost/",
        "localhost\\",
        "localhost,evil.example",
        "",
        " ",
    ),
    *(
        "x.box.lan",
        "box.lan.",
        "box.lan.evil.example",
        "xbox.lan",
        "localho\u017ft",
        "[localhost]",
        "[::ffff:1.2.3.4%1]",
    ),
)


@pytest.mark.parametrize("host", REBOUND, ids=ascii)
def test_a_name_that_is_not_ours_is_refused_even_to_its_own_page(host: str) -> None:
    for method in (*UNSAFE, *SAFE):
        assert judged(method, ("Host", host)) is not None
        assert (
            judged(method, ("Host", host), ("Origin", f"http://{host}"), ("Sec-Fetch-Site", "same-origin")) is not None
        )


def test_another_machine_is_let_in_when_the_person_wants_it() -> None:
    for host in ("192.168.1.5:8189", "[fd00::5]:8189", "10.0.0.1"):
        asked = [("Host", host), ("Origin", f"http://{host}")]

        assert refusal("POST", asked, allow_remote=True) is None
        assert refusal("POST", asked) is not None
    assert refusal("POST", [("Host", "box.lan")], allow_remote=True) is not None


def test_there_is_one_host_and_at_most_one_origin() -> None:
    host, origin = ("Host", "localhost:8189"), ("Origin", "http://localhost:8189")

    assert judged("GET", host, origin) is None
    assert judged("GET") is not None
    assert judged("GET", origin) is not None
    assert judged("GET", host, ("host", "localhost:8189")) is not None
    assert judged("GET", host, origin, ("ORIGIN", "http://localhost:8189")) is not None
