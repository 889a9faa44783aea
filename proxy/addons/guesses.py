"""How often a token may be guessed: the wrong tokens of the last minute."""

import hashlib

_WINDOW_S = 60.0
_EACH, _ALL = 20, 1000
"""different wrong tokens in a window, from one address and from all together"""


class Guesses:
    """Repeating a wrong token is not guessing: it is a script that has not been told of a new one."""

    def __init__(self) -> None:
        self._wrong: dict[str, set[bytes]] = {}
        self._since_s = float("-inf")

    def add(self, address: str, token: str, now_s: float) -> bool:
        """*address* has sent a wrong *token*; whether it is a new one."""
        if now_s - self._since_s >= _WINDOW_S:
            self._wrong, self._since_s = {}, now_s
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._wrong.setdefault(address, set())
        is_new = digest not in known
        known.add(digest)
        return is_new

    def are_too_many(self, address: str, now_s: float) -> bool:
        """Whether no token from *address* is looked at, not even the right one, until the minute is over."""
        if now_s - self._since_s >= _WINDOW_S:
            return False
        everybody = sum(len(tokens) for tokens in self._wrong.values())
        return len(self._wrong.get(address, ())) >= _EACH or everybody >= _ALL
