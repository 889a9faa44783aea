"""YAML from outside. Whole tables: tests/security/test_archives.py."""

import contextlib
import time

import pytest

from tests.support.odd_manifests import TEXTS
from wire.yaml_text import TEXT_MAX, loads


def test_yaml_and_json_are_read_with_anchors_and_merges() -> None:
    text = "base: &base {folder: loras}\nmodels:\n- {<<: *base, source: a}\n- {<<: *base, source: b}\n"

    assert loads(text)["models"] == [{"folder": "loras", "source": "a"}, {"folder": "loras", "source": "b"}]
    assert loads('{"a": [1, null, true]}') == {"a": [1, None, True]}
    assert loads("") is None


@pytest.mark.parametrize("text", ["[", "a: b: c", "!!python/name:os", "[" * 100 + "]" * 100, " " * (TEXT_MAX + 1)])
def test_what_is_not_yaml_is_a_value_error_in_one_line(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        loads(text)

    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["aliases of aliases", "merges of merges", "a merge of itself"])
def test_a_bomb_takes_little_time(name: str) -> None:
    before = time.process_time()
    with contextlib.suppress(ValueError):
        loads(TEXTS[name])

    assert time.process_time() - before < 5
