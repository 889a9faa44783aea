import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.sync.manifest import Content, ManifestUnreadable, decode_manifest, encode_manifest
from client.sync.sync_plan import plan, surplus

CONTENTS = st.builds(Content, st.integers(0, 2**50), st.binary(min_size=32, max_size=32).map(bytes.hex))
NAMES = st.from_regex(r"[a-z]{1,8}/[a-zA-Z0-9 #ü漢_]{1,8}\.safetensors", fullmatch=True)
A, B = Content(1, "a" * 64), Content(1, "b" * 64)


@given(st.dictionaries(NAMES, CONTENTS))
def test_what_was_written_is_read_again(manifest: dict[str, Content]) -> None:
    assert decode_manifest(encode_manifest(manifest)) == manifest


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b'{"version": 2, "files": {}}',
        b'{"version": 1, "files": {"a": {"size": -1, "sha256": "%s"}}}' % (b"a" * 64),
        b'{"version": 1, "files": {"a": {"size": 1, "sha256": "short"}}}',
        b'{"version": 1, "files": {"../a": {"size": 1, "sha256": "%s"}}}' % (b"a" * 64),
    ],
)
def test_what_is_no_manifest_is_refused(text: bytes) -> None:
    with pytest.raises(ManifestUnreadable):
        decode_manifest(text)


def test_only_what_is_there_unchanged_is_left_alone() -> None:
    here = {"same": A, "changed": B, "new": A, "vanished": A, "cut": A}
    there = {"same": A, "changed": A, "vanished": A, "cut": A, "gone": A}
    decided = plan(here, there, {"same": 1, "changed": 1, "vanished": None, "cut": 0}, delete=["gone"])

    assert decided.unchanged == ("same",)
    assert decided.upload == ("changed", "cut", "new", "vanished")
    assert decided.delete == ("gone",)


def test_delete_takes_only_what_was_sent_and_is_chosen() -> None:
    there = {"loras/a": A, "loras/b": A, "vae/c": A}

    assert surplus(["loras/a"], there, (), ()) == ["loras/b", "vae/c"]
    assert surplus(["loras/a"], there, ("loras/*",), ()) == ["loras/b"]
