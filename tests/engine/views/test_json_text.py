"""JSON that is put together from text."""

import json

from hypothesis import given
from hypothesis import strategies as st

from engine.views.json_text import array_pieces, dumped, object_text

VALUES = st.none() | st.integers() | st.text(max_size=4) | st.lists(st.integers(), max_size=2)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), st.lists(VALUES, max_size=4))
def test_text_says_what_the_values_are(members: dict[str, object], items: list[object]) -> None:
    texts = [json.dumps(item) for item in items]
    listed = {**{name: dumped(value) for name, value in members.items()}, "list": array_pieces(texts)}

    assert json.loads(object_text(listed.items())) == {**members, "list": items}
