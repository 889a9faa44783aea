"""StreamText: the answer of RunPod's ``/stream/{id}`` while it arrives: a large one is never whole in memory."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

_DECODER = json.JSONDecoder()
_OPENING = re.compile(r"\s*\{\s*")
_KEY = re.compile(r'[\s,]*("(?:[^"\\]|\\.)*")\s*:\s*(?=\S)')
_LIST = re.compile(r"\[\s*")
_BETWEEN = re.compile(r"[\s,]*")


class StreamJson:
    """Fed the bytes of an object whose member ``stream`` is a list; yields that list's elements when they are whole."""

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        """the other members, as far as they have come"""
        self.whole = False
        self._bytes = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._opened = self._in_list = False

    def feed(self, piece: bytes) -> Iterator[Any]:
        """The elements that *piece* completes. Raises UnicodeDecodeError; any other text just never becomes whole."""
        self._text += self._bytes.decode(piece)
        if self._in_list and b"}" not in piece and b"]" not in piece:
            return  # base64 goes on
        while not self.whole:
            try:
                if self._in_list:
                    yield from self._element()
                else:
                    self._member()
            except _MoreNeeded:
                return

    def _element(self) -> Iterator[Any]:
        """The next element, or the end of the list."""
        self._skip(_BETWEEN)
        if self._text.startswith("]"):
            self._text, self._in_list = self._text[1:], False
        else:
            yield self._value()

    def _member(self) -> None:
        """The next member, or the end of the object."""
        if not self._opened:
            self._opened = bool(self._skip(_OPENING))
            self._need(self._opened)
        if self._text.lstrip().startswith("}"):
            self.whole = True
            return
        match = _KEY.match(self._text)
        self._need(match is not None)
        assert match is not None  # noqa: S101  just required
        key, rest = json.loads(match[1]), self._text[match.end() :]
        if key == "stream" and (opening := _LIST.match(rest)):
            self._text, self._in_list = rest[opening.end() :], True
            return
        value, end = _decoded(rest)
        self._need(rest[end:].lstrip().startswith((",", "}")))  # a number may go on
        self.members[key], self._text = value, rest[end:]

    def _value(self) -> Any:
        value, end = _decoded(self._text)
        self._text = self._text[end:]
        return value

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text)
        if match is None:
            return ""
        self._text = self._text[match.end() :]
        return match[0]

    def _need(self, there: bool) -> None:
        if not there:
            raise _MoreNeeded


class _MoreNeeded(Exception):
    """The text ends within a token."""


def _decoded(text: str) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text)
    except ValueError as error:
        raise _MoreNeeded from error
