"""Who may talk to the proxy: ComfyUI's own origin check, and a host allow-list, for every request.

Source: ComfyUI server.py ``create_origin_only_middleware``. ComfyUI skips its check when Host is not loopback, so a
page whose name was rebound to 127.0.0.1 would get through to it; here such a Host is refused. A foreign page must not
be able to spend the person's money.
"""

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit


def refusal(
    *,
    method: str,
    hosts: Sequence[str],
    origins: Sequence[str],
    fetch_site: str | None,
    fetch_mode: str | None,
    fetch_dest: str | None,
    allow_remote: bool = False,
) -> str | None:
    """Why the request is refused; None when it is allowed. *hosts* and *origins* are all headers of that name."""
    if len(hosts) != 1 or len(origins) > 1:
        return "the request must have one Host header and at most one Origin header"
    host = _authority(hosts[0])
    if host is None or not _is_ours(host[0], allow_remote=allow_remote):
        return "the Host header is not an address of the proxy"
    if origins and not _same_origin(origins[0], host):
        return "the Origin header is not the proxy's own page"
    top_level = method in ("GET", "HEAD") and fetch_mode == "navigate" and fetch_dest == "document"
    if fetch_site == "cross-site" and not top_level:
        return "a page of another site sent the request"
    return None


def _authority(text: str) -> tuple[str, int | None] | None:
    """Host name in lower case and port of ``host[:port]``; None when the text has another form."""
    if any(character in text for character in "/?#@\\ \t,") or not text:
        return None
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    return (name, port) if name else None


def _is_ours(name: str, *, allow_remote: bool) -> bool:
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or allow_remote  # rebinding needs a name, so an address is safe


def _same_origin(origin: str, host: tuple[str, int | None]) -> bool:
    scheme, _, rest = origin.partition("://")
    theirs = _authority(rest)
    if scheme not in ("http", "https") or theirs is None:
        return False
    same_port = theirs[1] == host[1] or None in (theirs[1], host[1])
    return theirs[0] == host[0] and same_port
