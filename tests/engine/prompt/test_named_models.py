"""The addresses of models in a workflow: found wherever they may be, and only what may be fetched."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prompt.named_models import (
    HOSTS,
    Hosts,
    NamedModel,
    allowed_address,
    is_model_name,
    model_named,
    named_models,
)

URL = "https://huggingface.co/a/b/resolve/main/x.safetensors"
DEFAULT = Hosts(HOSTS)
MODEL = NamedModel("checkpoints", "x.safetensors", URL)


def entry(**changed: Any) -> dict[str, Any]:
    return {"name": "x.safetensors", "url": URL, "directory": "checkpoints", **changed}


def node(*models: Any) -> dict[str, Any]:
    return {"type": "CheckpointLoaderSimple", "properties": {"models": list(models)}}


@pytest.mark.parametrize(
    "workflow",
    [
        {"nodes": [node(entry())]},
        {"nodes": [], "models": [entry()]},
        {"definitions": {"subgraphs": [{"nodes": [node(entry())]}]}},
        {"definitions": {"subgraphs": [{"definitions": {"subgraphs": [{"nodes": [node(entry(), entry())]}]}}]}},
    ],
)
def test_a_model_is_found_wherever_the_file_names_it_and_once(workflow: dict[str, Any]) -> None:
    assert named_models(workflow, DEFAULT) == (MODEL,)


def test_its_hash_comes_along_when_it_is_a_sha256() -> None:
    digest = "A" * 64
    models = named_models({"nodes": [node(entry(hash=digest, hash_type="SHA256"))]}, DEFAULT)
    others = named_models(
        {"nodes": [node(entry(hash=digest, hash_type="MD5"), entry(hash="no", hash_type="SHA256"))]}, DEFAULT
    )

    assert [model.sha256 for model in models] == ["a" * 64]
    assert [model.sha256 for model in others] == [None]


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "http://huggingface.co/a/b"},
        {"url": "https://huggingface.co.evil.example/a"},
        {"url": "https://me:secret@huggingface.co/a"},
        {"url": "https://huggingface.co:8443/a"},
        {"url": "https://example.com/x.safetensors"},
        {"url": "file:///etc/passwd"},
        {"url": "https://huggingface.co/a b"},
        {"url": 5},
        {"name": "../x.safetensors"},
        {"name": "/etc/x.safetensors"},
        {"name": "a\\b.safetensors"},
        {"name": "x\n.safetensors"},
        {"name": "x" * 501},
        {"directory": "../custom_nodes"},
        {"directory": "/checkpoints"},
        {"directory": "custom_nodes"},
        {"directory": ".cache"},
        {"name": "__init__.py"},
        {"name": "models.yaml"},
        {"directory": None},
    ],
)
def test_what_may_not_be_fetched_has_no_address(changed: dict[str, Any]) -> None:
    assert named_models({"nodes": [node(entry(**changed), "odd", None)]}, DEFAULT) == ()


@pytest.mark.parametrize(
    ("url", "fetched"),
    [
        ("https://huggingface.co/a/b/blob/main/blob/x.pt", "https://huggingface.co/a/b/resolve/main/blob/x.pt"),
        (
            "https://huggingface.co/a/b/resolve/main/x.pt?download=true#top",
            "https://huggingface.co/a/b/resolve/main/x.pt?download=true",
        ),
        ("https://HuggingFace.co:443/a/b/x.pt", "https://huggingface.co/a/b/x.pt"),
        (
            "https://civitai.com/api/download/models/5?type=Model",
            "https://civitai.com/api/download/models/5?type=Model",
        ),
    ],
)
def test_an_address_is_written_as_it_is_fetched(url: str, fetched: str) -> None:
    assert allowed_address(url, DEFAULT) == fetched


@pytest.mark.parametrize(
    ("directory", "kind", "name"),
    [
        ("unet", "diffusion_models", "x.safetensors"),
        ("clip", "text_encoders", "x.safetensors"),
        ("loras/style", "loras", "style/x.safetensors"),
        ("ultralytics/bbox", "ultralytics_bbox", "x.safetensors"),
        ("ultralytics_bbox", "ultralytics_bbox", "x.safetensors"),
        ("ipadapter", "ipadapter", "x.safetensors"),
    ],
)
def test_a_folder_of_any_name_is_its_kind(directory: str, kind: str, name: str) -> None:
    (model,) = named_models({"nodes": [node(entry(directory=directory))]}, DEFAULT)

    assert (model.kind, model.name) == (kind, name)


def test_more_hosts_may_be_allowed_and_only_a_server_of_ones_own_may_be_private() -> None:
    hosts = Hosts(f"{HOSTS}, models.example, http://127.0.0.1:8000")

    assert allowed_address("https://models.example/x", hosts) == "https://models.example/x"
    assert allowed_address("http://127.0.0.1:8000/x", hosts) == "http://127.0.0.1:8000/x"
    assert allowed_address("http://127.0.0.1:8001/x", hosts) is None
    assert [origin.host for origin in hosts.own] == ["127.0.0.1"]


def test_the_model_of_a_node_is_the_one_of_its_kind_or_the_only_one_of_its_name() -> None:
    vae = NamedModel("vae", "x.safetensors", f"{URL}?vae")

    assert model_named((vae, MODEL), "checkpoints", "x.safetensors") == MODEL
    assert model_named((vae, MODEL), "loras", "x.safetensors") is None
    assert model_named((MODEL,), "diffusion_models", "sub/x.safetensors") == MODEL
    assert model_named((MODEL,), "checkpoints", "y.safetensors") is None


ANY = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just(URL),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["nodes", "models", "properties", "definitions", "subgraphs", "name", "url", "directory"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(ANY)
def test_whatever_a_file_holds_only_confined_names_come_out(workflow: Any) -> None:
    assert all(is_model_name(model.kind, model.name) for model in named_models(workflow, DEFAULT))
