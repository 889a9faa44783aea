"""JSON.parse of a browser, and JSON that only Python reads."""

import json
from typing import Any

from hypothesis import strategies as st


def strictly_parsed(text: str | bytes) -> Any:
    """The value of *text*; raises ValueError for NaN and Infinity, which Python's json takes."""
    return json.loads(text, parse_constant=_refused)


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
ANY_JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner))
"""as Python's json reads it: with NaN, infinities and lone surrogates"""
