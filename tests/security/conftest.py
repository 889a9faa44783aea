"""The attacks go through the embedded front: an upstream that counts what reaches it, and a client."""

from tests.proxy.addons.conftest import session, upstream

__all__ = ["session", "upstream"]
