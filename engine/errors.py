"""Errors that end a command before it began."""


class CannotStart(Exception):
    """What is missing cannot be started with these settings; the text is one line that names the variable."""
