"""StreamJson: an answer of RunPod's with a list in it, while it arrives: a large one is never whole in memory.

The text is read once, from its beginning to its end, whatever is in it; and each value has a budget.
"""

import codecs
import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

from wire.errors import WireError
from wire.limits import MIB, STREAM_CHUNK_MAX

ELEMENT_MAX = 3 * STREAM_CHUNK_MAX
"""characters: RunPod may escape what a worker sent as itself, two bytes of UTF-8 as six characters"""
MEMBER_MAX = MIB
AROUND_MAX = 128 * MIB
"""characters of an answer that are in no element: blanks, and other members, which are read over when they are long"""
VALUES_MAX = 350_000
"""commas and brackets in one value: as many as fit into the largest batch of a worker"""
DEPTH_MAX = 100
MEMBERS_MAX = 1_000

_BLANKS = re.compile(r"[\s,]*+")
_IN_STRING = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
_STRUCTURE = re.compile(r'["\[\]{}]')
_AFTER_SCALAR = re.compile(r"[\s,\]}]")


class NotJson(ValueError):
    """The text is not an answer in JSON, or too much of it says nothing."""


class ElementRefused(WireError):
    """An element is larger, or nested more deeply, than any that a worker of this project sends."""

    def __init__(self) -> None:
        super().__init__(
            "the worker sent more in one piece than a worker of this project does: check that the endpoint runs this"
            " project's image"
        )


class _Next(Enum):
    """What comes next between two values."""

    OPENING = auto()
    KEY = auto()
    COLON = auto()
    MEMBER = auto()
    ELEMENT = auto()
    NOTHING = auto()


class StreamJson:
    """Fed the bytes of an object whose member *name* is a list; yields that list's elements when they are whole."""

    def __init__(self, name: str = "stream") -> None:
        self.members: dict[str, Any] = {}
        """the other members, as far as they have come; None for one that is too large to be kept"""
        self._name, self._key = name, ""
        self._bytes = codecs.getincrementaldecoder("utf-8")()
        self._next = _Next.OPENING
        self._value: _ValueText | None = None
        self._around = self._members = 0

    @property
    def whole(self) -> bool:
        return self._next is _Next.NOTHING

    def feed(self, piece: bytes) -> Iterator[Any]:
        """The elements that *piece* completes. Raises NotJson, ElementRefused."""
        try:
            text = self._bytes.decode(piece)
        except UnicodeDecodeError as error:
            raise NotJson(str(error)) from error
        at = 0
        while at < len(text):
            if self._value is None:
                at = self._between(text, at)
                continue
            at = self._go_on(self._value, text, at)
            if self._value.is_whole:
                value, self._value = self._value, None
                yield from self._completed(value)

    def _between(self, text: str, at: int) -> int:
        """Skip blanks, and see what follows them; the position from which to go on."""
        found = _BLANKS.match(text, at)
        end = found.end() if found else at
        self._count(end - at)
        return end if end == len(text) else end + self._begin(text[end])

    def _begin(self, sign: str) -> int:
        """How many characters *sign* takes: none when it belongs to the value that begins with it."""
        match self._next, sign:
            case (_Next.OPENING, "{") | (_Next.ELEMENT, "]"):
                self._next = _Next.KEY
            case (_Next.KEY, "}"):
                self._next = _Next.NOTHING
            case (_Next.COLON, ":"):
                self._next = _Next.MEMBER
            case (_Next.MEMBER, "[") if self._key == self._name:
                self._next = _Next.ELEMENT
            case (_Next.KEY, '"') | (_Next.MEMBER, _) | (_Next.ELEMENT, _):
                self._count_member()
                self._value = _ValueText(sign, ELEMENT_MAX if self._is_output else MEMBER_MAX)
                return 0
            case (_Next.NOTHING, _):
                self._count(1)
            case _:
                raise NotJson(f"{sign!r} stands where it means nothing")
        return 1

    @property
    def _is_output(self) -> bool:
        """Whether the value that comes next is of the list, or stands in its place."""
        return self._next is _Next.ELEMENT or (self._next is _Next.MEMBER and self._key == self._name)

    def _count_member(self) -> None:
        self._members += self._next is _Next.MEMBER
        if self._members > MEMBERS_MAX:
            raise NotJson(f"it has more than {MEMBERS_MAX} members")

    def _go_on(self, value: "_ValueText", text: str, at: int) -> int:
        end = value.take(text, at)
        if not self._is_output:
            self._count(end - at)
        elif value.is_too_large:
            raise ElementRefused
        return end

    def _count(self, size: int) -> None:
        self._around += size
        if self._around > AROUND_MAX:
            raise NotJson(f"more than {AROUND_MAX // MIB} MiB of it say nothing")

    def _completed(self, text: "_ValueText") -> Iterator[Any]:
        value = text.value()
        match self._next:
            case _Next.KEY:
                self._key, self._next = str(value), _Next.COLON
            case _Next.MEMBER:
                self.members[self._key], self._next = value, _Next.KEY
            case _:
                yield value


class _ValueText:
    """The text of one value, which begins with *sign*; of one that is too large nothing is kept."""

    __slots__ = ("_depth", "_escapes", "_in_string", "_is_scalar", "_parts", "_size", "_size_max", "_values",
                 "is_too_large", "is_whole")  # fmt: skip

    def __init__(self, sign: str, size_max: int) -> None:
        self.is_whole = self.is_too_large = False
        self._is_scalar = sign not in '"[{'
        self._size_max = size_max
        self._parts: list[str] = []
        self._size = self._depth = 0
        self._values = 1
        self._in_string = self._escapes = False

    def take(self, text: str, at: int) -> int:
        """Take in what belongs to the value; the position after it, which is the end of *text* while it goes on."""
        end = self._scalar(text, at) if self._is_scalar else at
        while end < len(text) and not self.is_whole:
            end = self._string(text, end) if self._in_string else self._structure(text, end)
        self._size += end - at
        self.is_too_large |= self._size > self._size_max or self._values > VALUES_MAX
        if self.is_too_large:
            self._parts.clear()
        else:
            self._parts.append(text[at:end])
        return end

    def _scalar(self, text: str, at: int) -> int:
        found = _AFTER_SCALAR.search(text, at)
        self.is_whole = found is not None
        return found.start() if found else len(text)

    def _string(self, text: str, at: int) -> int:
        if self._escapes:
            self._escapes = False
            return at + 1
        found = _IN_STRING.match(text, at)
        end = found.end() if found else at
        if end == len(text):
            return end
        self._escapes = text[end] == "\\"  # the last character of *text*
        self._in_string = self._escapes
        self.is_whole = not self._in_string and self._depth == 0
        return end + 1

    def _structure(self, text: str, at: int) -> int:
        found = _STRUCTURE.search(text, at)
        end = found.start() if found else len(text)
        self._values += text.count(",", at, end)
        if found is None:
            return end
        match found[0]:
            case '"':
                self._in_string = True
            case "[" | "{":
                self._depth += 1
                self._values += 1
                self.is_too_large |= self._depth > DEPTH_MAX
            case _:
                self._depth -= 1
                self.is_whole = self._depth == 0
        return end + 1

    def value(self) -> Any:
        """None for one that is too large. Raises NotJson."""
        if self.is_too_large:
            return None
        try:
            return json.loads("".join(self._parts))
        except ValueError as error:
            raise NotJson(str(error)) from error
