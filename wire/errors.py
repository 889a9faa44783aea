"""Errors that both ends know, by what follows from them."""


class WireError(ValueError):
    """The other side sent what this version does not understand: the two versions differ, or one is broken."""


class Unavailable(Exception):
    """Nobody's fault, or one that goes away: try again later, after *retry_after_s* seconds if that is known."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
