"""The token of PROXY_TOKEN: where a request carries it, and the cookie that stands for it. Pure.

A page gets its cookie by a link with ``?token=``, as Jupyter's does (jupyter_server ``auth/identity.py``). The cookie
does not hold the token: a browser sends it to every port of the host. It stays good until the token changes.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from urllib.parse import unquote

_COOKIES = "comfy_runpod_"
_COOKIE_S = 30 * 86_400
_SCHEMES = frozenset({"bearer", "token"})


class Access:
    """The token, and the cookie for the pages of the proxy at *port*."""

    def __init__(self, token: str, port: int) -> None:
        self._token = token.encode()
        self._name = f"{_COOKIES}{port}"
        self.cookie_value = hmac.new(self._token, b"a page of comfy-runpod", hashlib.sha256).hexdigest()

    def is_token(self, text: str) -> bool:
        return _is_same(text, self._token)

    def has_cookie(self, cookies: str) -> bool:
        """Whether the Cookie header *cookies* holds the page's cookie, among others that may have its name."""
        values = [value.strip() for name, _, value in _pairs(cookies) if name.strip() == self._name]
        return any(_is_same(value, self.cookie_value.encode()) for value in values)

    def cookie(self, *, secure: bool) -> str:
        """The Set-Cookie header for a page.

        Lax, because the link may be opened from another program's page, and a browser then withholds a Strict cookie
        from the page to which the link leads. What other sites load or send comes without it either way.
        """
        flags = f"Path=/; Max-Age={_COOKIE_S}; HttpOnly; SameSite=Lax"
        return f"{self._name}={self.cookie_value}; {flags}" + ("; Secure" if secure else "")


def _is_same(text: str, secret: bytes) -> bool:
    return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), secret)


# -- where a request carries a token


def tokens_in_query(path: str) -> list[str]:
    """The values of ``token=`` in the query of *path*."""
    return [unquote(value) for name, _, value in _parameters(path) if unquote(name) == "token"]


def token_in_header(authorization: str) -> str | None:
    """The token of ``Authorization: Bearer …`` or ``token …``; None when the header has another scheme."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() in _SCHEMES else None


def without_tokens(path: str, is_token: Callable[[str], bool]) -> str:
    """*path* without the parameters ``token=`` that hold a token; the others stay as they are, byte for byte."""
    before, _, _ = path.partition("?")
    kept = [
        f"{name}{equals}{value}"
        for name, equals, value in _parameters(path)
        if not (unquote(name) == "token" and is_token(unquote(value)))
    ]
    return f"{before}?{'&'.join(kept)}" if kept else before


def without_cookies(cookies: str) -> str:
    """The Cookie header *cookies* without those of a proxy."""
    kept = [
        f"{name}{equals}{value}" for name, equals, value in _pairs(cookies) if not name.strip().startswith(_COOKIES)
    ]
    return ";".join(kept).strip()


def _parameters(path: str) -> Iterable[tuple[str, str, str]]:
    query = path.partition("?")[2]
    return [part.partition("=") for part in query.split("&") if part]


def _pairs(cookies: str) -> Iterable[tuple[str, str, str]]:
    return [part.partition("=") for part in cookies.split(";")]
