"""The volume's S3 listing is what is there now; the image's models and other choices stay."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.catalog.volume_listing import models_in, of_image, with_volume
from wire.catalog import Catalog

ROOT = "comfyui/models"
OPTIONS = {"tooltip": "which"}
CATALOG = Catalog(
    models={"checkpoints": {"image.safetensors": 1, "old.safetensors": 2}, "unet_gguf": {"a.gguf": 3}},
    on_volume={"checkpoints": ("old.safetensors",), "unet_gguf": ("a.gguf",)},
    nodes={
        "Old": {"input": {"required": {"name": [["None", "image.safetensors", "old.safetensors", "baked"], OPTIONS]}}},
        "New": {"input": {"optional": {"name": ["COMBO", {"options": ["old.safetensors"], "default": "x"}]}}},
        "Gguf": {"input": {"required": {"name": [["a.gguf"]]}}},
        "Other": {"input": {"required": {"mode": [["a", "b"]]}}},
    },
    model_inputs={
        "Old": {"name": "checkpoints"},
        "New": {"name": "checkpoints"},
        "Gguf": {"name": "unet_gguf"},
        "Gone": {"name": "checkpoints"},
    },
)


def test_a_listing_is_sorted_by_kind() -> None:
    sizes = {
        f"{ROOT}/checkpoints/sdxl/b.safetensors": 5,
        f"{ROOT}/clip/c.safetensors": 6,
        f"{ROOT}/t2i_adapter/d.pth": 7,
        f"{ROOT}/checkpoints/../../../etc/passwd": 8,
        "comfyui/models-manifest.json": 9,
        "somewhere/else.safetensors": 10,
    }

    assert models_in(sizes) == {
        "checkpoints": {"sdxl/b.safetensors": 5},
        "text_encoders": {"c.safetensors": 6},
        "controlnet": {"d.pth": 7},
    }


def test_a_newer_listing_replaces_what_the_worker_saw_there() -> None:
    listed = models_in({f"{ROOT}/checkpoints/new.safetensors": 5, f"{ROOT}/checkpoints/notes.txt": 1})
    found = with_volume(CATALOG, listed, is_newer=True)

    assert found.models["checkpoints"] == {"image.safetensors": 1, "new.safetensors": 5}
    assert found.on_volume["checkpoints"] == ("new.safetensors",)
    assert found.nodes["Old"]["input"]["required"]["name"] == [
        ["None", "image.safetensors", "new.safetensors", "baked"],
        OPTIONS,
    ]
    assert found.nodes["New"]["input"]["optional"]["name"] == [
        "COMBO",
        {"options": ["image.safetensors", "new.safetensors"], "default": "x"},
    ]
    assert found.nodes["Other"] is CATALOG.nodes["Other"]


def test_a_kind_of_a_packs_own_stays_as_the_worker_saw_it() -> None:
    found = with_volume(CATALOG, {}, is_newer=True)

    assert found.models == {"checkpoints": {"image.safetensors": 1}, "unet_gguf": {"a.gguf": 3}}
    assert found.nodes["Gguf"] is CATALOG.nodes["Gguf"]


def test_a_listing_from_before_the_worker_told_takes_nothing_away() -> None:
    listed = {"checkpoints": {"new.safetensors": 5}}
    found = with_volume(CATALOG, listed, is_newer=False)

    assert sorted(found.models["checkpoints"]) == ["image.safetensors", "new.safetensors", "old.safetensors"]


def test_without_a_catalog_of_a_worker_the_models_are_known() -> None:
    found = with_volume(Catalog(), {"loras": {"a.safetensors": 5}}, is_newer=True)

    assert (found.models, found.nodes) == ({"loras": {"a.safetensors": 5}}, {})


def test_a_catalog_that_names_very_many_inputs_is_not_blown_up() -> None:
    inputs = {f"i{number}": "checkpoints" for number in range(5_000)}
    definition: dict[str, Any] = {"input": {"required": {name: [[]] for name in inputs}}}
    bomb = Catalog(nodes={"A": definition}, model_inputs={"A": inputs})
    found = with_volume(bomb, {"checkpoints": {f"{n}.pt": 1 for n in range(20_000)}}, is_newer=True)

    specs = found.nodes["A"]["input"]["required"].values()
    assert sum(len(spec[0]) for spec in specs) == 0


def test_a_definition_with_very_many_inputs_is_walked_through_once() -> None:
    inputs = {f"i{number}": "checkpoints" for number in range(30_000)}
    definition: dict[str, Any] = {"input": {"required": {name: [[]] for name in inputs}}}
    found = with_volume(
        Catalog(nodes={"A": definition}, model_inputs={"A": inputs}), {"checkpoints": {"a.pt": 1}}, is_newer=True
    )

    assert all(spec == [["a.pt"]] for spec in found.nodes["A"]["input"]["required"].values())


@pytest.mark.parametrize(
    "definition", [{}, {"input": 5}, {"input": {"required": 5}}, {"input": {"required": {"name": "odd"}}}]
)
def test_an_odd_definition_stays_as_it_is(definition: dict[str, object]) -> None:
    odd = Catalog(nodes={"A": definition}, model_inputs={"A": {"name": "loras"}})

    assert with_volume(odd, {"loras": {"a.pt": 1}}, is_newer=True).nodes == {"A": definition}


names = st.lists(st.sampled_from(["None", "a.pt", "b.pt", "c.pt", "taesd"]), unique=True)


@given(choices=names, old=names, new=names)
def test_every_choice_is_a_model_or_was_there_before(choices: list[str], old: list[str], new: list[str]) -> None:
    catalog = Catalog(
        models={"vae": dict.fromkeys(old, 1)},
        on_volume={"vae": tuple(old)},
        nodes={"A": {"input": {"required": {"name": [choices]}}}},
        model_inputs={"A": {"name": "vae"}},
    )
    found = with_volume(catalog, {"vae": dict.fromkeys(new, 2)}, is_newer=True)
    there = found.models.get("vae", {})
    offered = found.nodes["A"]["input"]["required"]["name"][0]

    assert [name for name in offered if name not in there and name not in old] == [
        name for name in choices if name not in there and name not in old
    ]
    assert found.models.get("vae") == catalog.models.get("vae") or set(there) <= set(offered)


def test_a_new_image_has_the_volume_and_the_gpu_that_there_were_before() -> None:
    image = Catalog(
        comfyui="2", models={"vae": {"image.pt": 1}}, nodes=CATALOG.nodes, model_inputs=CATALOG.model_inputs
    )
    found = of_image(image, CATALOG.model_copy(update={"gpu": "L4", "vram": 24}))

    assert (found.comfyui, found.gpu, found.vram) == ("2", "L4", 24)
    assert found.models == {
        "vae": {"image.pt": 1},
        "checkpoints": {"old.safetensors": 2},
        "unet_gguf": {"a.gguf": 3},
    }
