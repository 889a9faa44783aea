"""Which models must be there, and where each comes from."""

import pytest

from wire.errors import WireError
from wire.models import ModelRef, decode_models
from worker.models.manifest import S3Source, Web, address, read_manifest, target_path


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("https://example.com/a.bin", Web("https://example.com/a.bin")),
        ("hf://o/r/d/a b.bin", Web("https://huggingface.co/o/r/resolve/main/d/a%20b.bin", "hf")),
        ("hf://o/r@refs%2Fpr%2F1/a.bin", Web("https://huggingface.co/o/r/resolve/refs%2Fpr%2F1/a.bin", "hf")),
        ("hf://o/r@v1.0/a.bin", Web("https://huggingface.co/o/r/resolve/v1.0/a.bin", "hf")),
        ("https://huggingface.co/o/r/resolve/main/a.bin", Web("https://huggingface.co/o/r/resolve/main/a.bin", "hf")),
        ("https://huggingface.co.evil.example/a.bin", Web("https://huggingface.co.evil.example/a.bin")),
        ("civitai://12345", Web("https://civitai.com/api/download/models/12345", "civitai")),
        ("s3://bucket/deep/a.bin", S3Source("bucket", "deep/a.bin")),
    ],
)
def test_sources_are_spelled_like_this(source: str, where: object) -> None:
    assert address(source) == where


def test_a_manifest_is_yaml_or_json() -> None:
    yaml = "models:\n  - source: hf://o/r/a.safetensors\n    folder: loras\n"
    json = '[{"source": "hf://o/r/a.safetensors", "folder": "loras"}]'

    assert read_manifest(yaml) == read_manifest(json) == (ModelRef(source="hf://o/r/a.safetensors", folder="loras"),)
    assert target_path(read_manifest(json)[0]) == ("loras", "a.safetensors")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"models": {}}, "a list"),
        ([{"folder": "loras"}], "model 1 of the manifest: source"),
        (
            [{"source": "hf://a/b/c.bin", "folder": "vae"}, {"source": "x", "folder": "y", "token": "z"}],
            "model 2.*token",
        ),
    ],
)
def test_a_wrong_manifest_names_the_entry(wrong: object, said: str) -> None:
    with pytest.raises(WireError, match=said):
        decode_models(wrong)


def test_a_model_without_a_telling_address_needs_a_name() -> None:
    with pytest.raises(WireError, match="filename"):
        target_path(ModelRef(source="civitai://12345", folder="loras"))


@pytest.mark.parametrize("source", ["file:///etc/passwd", "a.bin", "hf://only/two", "civitai://x", "s3://bucket", ""])
def test_what_is_not_a_source_is_refused(source: str) -> None:
    with pytest.raises(WireError, match="not a source of models"):
        address(source)


@pytest.mark.parametrize("text", ["", "models:", "[]", "models: []"])
def test_a_manifest_may_be_empty(text: str) -> None:
    assert read_manifest(text) == ()


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ({"source": "https://x/d/a.bin?download=true", "folder": "loras"}, ("loras", "a.bin")),
        ({"source": "https://x/a.bin", "folder": "loras", "filename": "sd/xl/b.bin"}, ("loras/sd/xl", "b.bin")),
        ({"source": "s3://b/deep/a.bin", "folder": "text_encoders"}, ("text_encoders", "a.bin")),
        ({"source": "https://x/face.pt", "folder": "ultralytics/bbox"}, ("ultralytics/bbox", "face.pt")),
        ({"source": "civitai://1", "folder": "loras", "filename": "no_extension"}, ("loras", "no_extension")),
    ],
)
def test_a_model_goes_into_the_folder_of_its_kind(model: dict[str, str], path: tuple[str, str]) -> None:
    assert target_path(ModelRef.model_validate(model)) == path


@pytest.mark.parametrize(
    "model",
    [
        {"source": "https://x/a.bin", "folder": "../loras"},
        {"source": "https://x/a.bin", "folder": ""},
        {"source": "https://x/a.bin", "folder": "loras/"},
        {"source": "https://x/a.bin", "folder": "loras/../.."},
        {"source": "https://x/a.bin", "folder": ".hidden"},
        {"source": "https://x/a.bin", "folder": "loras", "filename": "/etc/a.bin"},
        {"source": "https://x/models/3", "folder": "loras"},
    ],
)
def test_a_path_that_cannot_be_is_refused(model: dict[str, str]) -> None:
    with pytest.raises(WireError):
        target_path(ModelRef.model_validate(model))
