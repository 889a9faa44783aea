"""Prompts that nobody makes by accident: nested as deep as one likes, with odd classes, and any JSON at all."""

import json
from typing import Any

from hypothesis import strategies as st

from wire.limits import NESTING_MAX


def nested(levels: int, inside: Any = "x") -> Any:
    """*inside* in lists in lists, on *levels* levels."""
    return json.loads("[" * levels + json.dumps(inside) + "]" * levels)


TOO_DEEP = [NESTING_MAX + 1, 300, 500, 1000, 1400]


ODD_CLASSES = ["", ".", "..", "\0", "a\nb", "\x1b[2J", "\x7f", "\ud800", "a\udfff", "x" * 201, "x" * 100_000, None, 5,
               1.5, True, [], ["LoadImage"], {}, {"a": "LoadImage"}]  # fmt: skip


ODD_VALUES = [
    "a.png",
    "/a.png",
    "\ud800",
    "\0",
    10**400,
    "LoadImage",
    "__class__",
    "__value__",
    nested(150),
    nested(250),
]
KEYS = st.text(max_size=3) | st.just("__value__")
ANY = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.integers() | st.sampled_from(ODD_VALUES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
NODES = st.fixed_dictionaries(
    {"class_type": st.sampled_from(["EmptyImage", "SaveImage", "LoadImage", "PreviewImage", "Other"]) | ANY},
    optional={"inputs": st.dictionaries(st.sampled_from(["image", "images", "width", "x"]), ANY, max_size=3) | ANY},
)
FIELDS = ("extra_data", "client_id", "number", "front", "prompt_id", "partial_execution_targets", "\ud800")
BODIES = ANY | st.fixed_dictionaries(
    {"prompt": st.dictionaries(st.sampled_from("12") | st.text(max_size=2), NODES | ANY, max_size=3) | ANY},
    optional=dict.fromkeys(FIELDS, ANY),
)
