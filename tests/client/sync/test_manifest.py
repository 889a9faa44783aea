import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.sync.manifest import Content, ManifestUnreadable, decode_manifest, encode_manifest
from tests.support.names import REFUSED

CONTENTS = st.builds(Content, st.integers(0, 2**50), st.binary(min_size=32, max_size=32).map(bytes.hex))
NAMES = st.from_regex(r"[a-z]{1,8}/[a-zA-Z0-9 #ü漢_]{1,8}\.safetensors", fullmatch=True)


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


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_manifest_that_names_something_outside_its_folder_is_refused(name: str) -> None:
    text = json.dumps({"version": 1, "files": {name: {"size": 1, "sha256": "a" * 64}}})

    with pytest.raises(ManifestUnreadable, match="not a path"):
        decode_manifest(text.encode())
