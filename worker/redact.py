"""Redact: takes secrets out of everything that leaves the worker. Pure."""

import re
from collections.abc import Iterable
from typing import Any

_SHORTEST = 8
"""a shorter value is hardly a secret, and would blot out ordinary words"""
_SHAPED = re.compile(
    r"(?i)(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password@ in an address
    r"|(?<=bearer )[\w.~+/=-]{8,}"
    r"|(?<=[?&]token=)[^&\s\"']+|(?<=[?&]api_key=)[^&\s\"']+|(?<=[?&]X-Amz-Signature=)[^&\s\"']+"
    r"|\bhf_[A-Za-z0-9]{16,}|\brpa_[A-Za-z0-9]{16,}|\brps_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}"
)
_INSTEAD = "[secret]"


class Redact:
    """Replaces *secrets*, and everything that has the shape of a key, unless only the secrets are meant."""

    def __init__(self, secrets: Iterable[str], *, shapes: bool = True) -> None:
        self._shapes = shapes
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _INSTEAD)
        return _SHAPED.sub(_INSTEAD, text) if self._shapes else text

    def value(self, value: Any) -> Any:
        """A JSON value with every text in it redacted."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {key: self.value(item) for key, item in value.items()}
            case list() | tuple():
                return [self.value(item) for item in value]
            case _:
                return value
