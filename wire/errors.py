"""Errors that the wire itself raises."""


class WireError(ValueError):
    """The other side sent what this version does not understand: the two versions differ, or one is broken."""
