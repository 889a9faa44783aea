"""Addresses that come from outside: what an address is, whose it is, and whether it is for everybody. Pure.

``ipaddress.is_global`` alone does not tell: it calls multicast, site-local and IPv6 forms of private IPv4 addresses
global, and what it knows differs between versions of Python.
"""

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}
_PLAIN = re.compile(r"[!-~]+")
_AUTHORITY = re.compile(r"(?P<host>\[[^\]]*\]|[^\[\]:@]+)(:(?P<port>\d{1,5})?)?")
_NAME = re.compile(r"(?=.{1,254}\Z)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
                   r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?")  # fmt: skip
_NUMBER = re.compile(r"(\d+|0[xX][0-9A-Fa-f]*)")
"""the last part of a name that is an IPv4 address in an odd form, such as 2130706433 or 0x7f.1. Source: WHATWG, URL"""

_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SPECIAL = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")))
"""IANA, special-purpose registries: protocol assignments, the relays of 6to4, Teredo and its kin, documentation"""

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(ValueError):
    """It is not an address, or it may not be asked. The text names its host at most: the rest may be secret."""


class Origin(NamedTuple):
    """Whom an address belongs to; *host* is in lower case."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> Origin:
    """The origin of an ``https://`` or ``http://`` address. Raises AddressRefused.

    It is strict, for no two programs may read an address differently: no credentials, no blanks, names in ASCII, and
    IP addresses in their usual form.
    """
    try:
        parts = urlsplit(url)
        authority = _AUTHORITY.fullmatch(parts.netloc)
    except ValueError as error:
        raise AddressRefused("it is not a web address") from error
    if parts.scheme not in _PORTS or not url.lower().startswith(f"{parts.scheme}://"):
        raise AddressRefused("it is not a web address: one begins with https://")
    if authority is None or not _PLAIN.fullmatch(parts.netloc):
        raise AddressRefused(_what_is_wrong(parts))
    port = int(authority["port"] or _PORTS[parts.scheme])
    if not 0 < port < 65536:
        raise AddressRefused(f"the port {port} does not exist")
    return Origin(parts.scheme, _host(authority["host"]), port)


def _what_is_wrong(parts: SplitResult) -> str:
    if "@" in parts.netloc:
        return "the address holds credentials"
    if not parts.netloc.isascii():
        return f"the name {parts.netloc[:100]!r} is not ASCII: write it as xn--…"
    return f"{parts.netloc[:100]!r} is not the name of a host"


def _host(text: str) -> str:
    if text.startswith("["):
        return f"[{_ipv6(text[1:-1])}]"
    last = text.rstrip(".").rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        if ip_address(text) is None:
            raise AddressRefused(f"{text[:100]!r} is not an IP address in its usual form")
    elif not _NAME.fullmatch(text):
        raise AddressRefused(f"{text[:100]!r} is not the name of a host")
    return text.lower()


def _ipv6(text: str) -> ipaddress.IPv6Address:
    found = ip_address(text)
    if not isinstance(found, ipaddress.IPv6Address) or found.scope_id is not None:
        raise AddressRefused(f"[{text[:100]}] is not an IPv6 address for everybody")
    return found


def ip_address(host: str) -> IPAddress | None:
    """*host* as an IP address, also in the brackets of an IPv6 one; None when it is a name."""
    text = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_public(address: IPAddress) -> bool:
    """Whether *address* is one for everybody; an IPv4 address in an IPv6 form is judged as what it is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        inner = _inner(address)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    special = any(address in network for network in _SPECIAL if network.version == address.version)
    return address.is_global and not address.is_multicast and not special


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that is meant: mapped (``::ffff:``), by NAT64, or by 6to4."""
    if address.ipv4_mapped is not None or address.sixtofour is not None:
        return address.ipv4_mapped or address.sixtofour
    return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
