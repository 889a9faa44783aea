"""A catalog crosses the wire whole, or not at all."""

import json
import zlib
from hashlib import sha256

import pytest

from wire.catalog import Catalog, Pack, decode_catalog, encode_catalog
from wire.errors import WireError

CATALOG = Catalog(
    comfyui="0.33.0",
    packs=(Pack(name="kinds", commit="abc"),),
    nodes={"Loader": {"input": {"required": {"name": [["a.safetensors"]]}}}},
    models={"checkpoints": {"sdxl/a.safetensors": 5}},
    model_inputs={"Loader": {"name": "checkpoints"}},
    on_volume={"checkpoints": ("sdxl/a.safetensors",)},
)


def packed(value: object) -> tuple[bytes, str]:
    raw = json.dumps(value).encode()
    return zlib.compress(raw), sha256(raw).hexdigest()


def test_a_catalog_arrives_as_it_was_sent() -> None:
    assert decode_catalog(*encode_catalog(CATALOG)) == CATALOG


def test_equal_catalogs_have_equal_names() -> None:
    turned = CATALOG.model_copy(update={"nodes": dict(reversed([*CATALOG.nodes.items(), ("B", {})]))})
    straight = CATALOG.model_copy(update={"nodes": {**CATALOG.nodes, "B": {}}})

    assert encode_catalog(turned)[1] == encode_catalog(straight)[1]
    assert encode_catalog(straight)[1] != encode_catalog(CATALOG)[1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "cannot be read"),
        ({"nodes": {"A": 5}}, "cannot be read"),
        ({"models": {"checkpoints": {"a": "x"}}}, "cannot be read"),
        ({"comfyui": "x" * 301}, "cannot be read"),
        ({"nodes": {"A": json.loads("[" * 50 + "]" * 50)}}, "nested"),
        ({"nodes": {"A": {"input": [0] * 2_000_001}}}, "values"),
    ],
)
def test_a_catalog_that_is_not_one_is_refused(value: object, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode_catalog(*packed(value))


def test_a_small_body_that_becomes_very_large_is_refused() -> None:
    raw = b'{"comfyui": "' + b" " * (65 << 20) + b'"}'

    with pytest.raises(WireError, match="too large"):
        decode_catalog(zlib.compress(raw), sha256(raw).hexdigest())


@pytest.mark.parametrize("spoil", [lambda body: body[:-20], lambda body: b"x" + body, lambda _: b""])
def test_a_damaged_catalog_is_refused(spoil: object) -> None:
    body, name = encode_catalog(CATALOG)

    with pytest.raises(WireError):
        decode_catalog(spoil(body), name)  # type: ignore[operator]


def test_another_content_than_was_announced_is_refused() -> None:
    with pytest.raises(WireError, match="another content"):
        decode_catalog(encode_catalog(CATALOG)[0], "0" * 64)
