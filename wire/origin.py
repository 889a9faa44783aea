"""Who may talk to a server of ours on this machine: judged by Host, Origin and what the browser says about the page.

Stricter than ComfyUI (server.py ``create_origin_only_middleware``), which skips its check when Host is not loopback: a
page whose name was rebound to 127.0.0.1 would get through. A foreign page must not spend the person's money.

A browser names the page that sends a request in Origin, always for a websocket and for a method that may change
something, and its relation to us in Sec-Fetch-Site, where the connection is trusted (loopback, https). Programs send
neither. Source: the Fetch standard, "append a request Origin header"; Fetch Metadata Request Headers.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_DEFAULT_PORTS = MappingProxyType({"http": 80, "https": 443})
_AUTHORITY = re.compile(r"(?ai)(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_OUR_PAGES = frozenset({"same-origin", "none"})
_SHOWN = frozenset({"image", "audio", "video"})
"""what a page of the same host may show beside its own things, as ComfyUI lets it; it cannot read it"""


def refusal(
    method: str,
    headers: Iterable[tuple[str, str]],
    *,
    scheme: str = "http",
    allow_remote: bool = False,
    names: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Why the request is refused; None when it is allowed.

    *headers* are all of the request's, with every repetition. *scheme* is the one of our own pages; *allow_remote*
    admits the addresses of other machines as Host. *names* are host names that are admitted too, in lower case, each
    with the scheme of its page: ``https`` for a tunnel that ends TLS.
    """
    sent = _Sent(headers)
    hosts, origins = sent.values("host"), sent.values("origin")
    if len(hosts) != 1 or len(origins) > 1:
        return "the request must have one Host header and at most one Origin header"
    name, port = _authority(hosts[0])
    if not (name in names or _is_ours(name, allow_remote=allow_remote)):
        return "the Host header is not an address of the proxy"
    if origins and not _same_origin(origins[0], names.get(name, scheme), name, port):
        return "the Origin header is not the proxy's own page"
    if not sent.by_our_page(method):
        return "a page of another site sent the request"
    return None


class _Sent:
    """The headers of a request."""

    def __init__(self, headers: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in headers:
            self._values.setdefault(name.lower(), []).append(value)

    def values(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def by_our_page(self, method: str) -> bool:
        """Whether our page, the person or a program sent it, or a page that may only show what it gets."""
        site, mode, dest = (", ".join(self.values(f"sec-fetch-{part}")) for part in ("site", "mode", "dest"))
        if site in _OUR_PAGES:
            return True
        if method not in _SAFE_METHODS or "upgrade" in self._values:  # a websocket is a GET that changes something
            return not any(name.startswith("sec-fetch-") for name in self._values)
        if "sec-fetch-site" not in self._values:
            return True
        if (mode, dest) == ("navigate", "document"):
            return site in ("cross-site", "same-site")  # a link
        return (site, mode) == ("same-site", "no-cors") and dest in _SHOWN


def _authority(text: str) -> tuple[str, int | None]:
    """Host name in lower case and port of ``host[:port]``; the name is empty when the text has another form."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return "", None
    port = int(match[2]) if match[2] else None
    return ("", None) if port is not None and port > 65_535 else (match[1].lower(), port)


def _is_ours(name: str, *, allow_remote: bool) -> bool:
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback or allow_remote  # rebinding needs a name, so an address is safe


def _same_origin(origin: str, scheme: str, name: str, port: int | None) -> bool:
    """Compared with default ports: a page without a port comes from port 80 or 443, not from ours."""
    prefix, default = f"{scheme}://", _DEFAULT_PORTS[scheme]
    their_name, their_port = _authority(origin.removeprefix(prefix))
    ports = [default if number is None else number for number in (port, their_port)]
    return origin.startswith(prefix) and their_name == name and ports[0] == ports[1]
