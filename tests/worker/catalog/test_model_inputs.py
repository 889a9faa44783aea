"""Which inputs offer models, found by what they offer."""

from typing import Any

import pytest

from worker.catalog.model_inputs import model_inputs

MODELS = {
    "checkpoints": ("a.safetensors", "sdxl/b.safetensors"),
    "loras": ("style.safetensors",),
    "vae": ("v.safetensors",),
    "unet_gguf": ("q4.gguf", "q8.gguf"),
    "twin": ("same.pt",),
    "other_twin": ("same.pt",),
    "upscale_models": (),
}


def kind_of(offered: list[Any], name: str = "Custom", key: str = "model", models: Any = MODELS) -> str | None:
    old = model_inputs({name: {"input": {"required": {key: [offered, {}]}}}}, models)
    new = model_inputs({name: {"input": {"optional": {key: ["COMBO", {"options": offered}]}}}}, models)
    assert old == new
    return old.get(name, {}).get(key)


@pytest.mark.parametrize(
    ("offered", "kind"),
    [
        (["a.safetensors", "sdxl/b.safetensors"], "checkpoints"),
        (["None", "style.safetensors"], "loras"),
        (["v.safetensors", "Baked VAE", "pixel_space"], "vae"),
        (["q4.gguf"], "unet_gguf"),
        (["style.safetensors", "gone.safetensors"], None),
        (["style.safetensors", "v.safetensors"], None),
        (["same.pt"], None),
        (["euler", "normal"], None),
        ([], None),
        ([1, 2], None),
    ],
)
def test_an_input_offers_the_one_kind_that_it_lists(offered: list[Any], kind: str | None) -> None:
    assert kind_of(offered) == kind


def test_comfyui_s_own_loaders_are_known_without_any_model() -> None:
    assert kind_of([], "CheckpointLoaderSimple", "ckpt_name", {}) == "checkpoints"
    assert kind_of(["pixel_space"], "VAELoader", "vae_name", {}) == "vae"


def test_of_two_kinds_with_the_same_models_comfyui_s_own_loader_knows_its_own() -> None:
    both = {"checkpoints": ("x.safetensors",), "diffusion_models": ("x.safetensors",)}

    assert kind_of(["x.safetensors"], "UNETLoader", "unet_name", both) == "diffusion_models"
    assert kind_of(["x.safetensors"], models=both) is None


def test_another_input_of_a_known_loader_is_judged_by_what_it_offers() -> None:
    assert kind_of(["default", "fp8_e4m3fn"], "UNETLoader", "weight_dtype") is None
