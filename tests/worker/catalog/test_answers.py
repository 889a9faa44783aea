"""A catalog from what a ComfyUI says of itself, whatever it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.models import make_models
from worker.catalog.answers import AnswersUnreadable, answers, catalog_of
from worker.catalog.definitions import JobFiles
from worker.comfyui.client import ComfyUnreachable

SYSTEM = {"comfyui_version": "0.33.0", "required_frontend_version": "1.35.9"}
GPU = {"name": "cuda:0 NVIDIA GeForce RTX 4090 : cudaMallocAsync", "type": "cuda", "vram_total": 25_000_000_000}
LOADER = {"input": {"required": {"ckpt_name": [["a.safetensors"], {}]}}, "output": ["MODEL"]}


def said(**changed: Any) -> dict[str, str]:
    whole: dict[str, Any] = {
        "/system_stats": {"system": SYSTEM, "devices": [GPU]},
        "/models": ["checkpoints", "custom_nodes"],
        "/models/checkpoints": [],
        "/internal/folder_paths": {},
        "/object_info": {"CheckpointLoaderSimple": LOADER},
        **changed,
    }
    return {path: json.dumps(value) for path, value in whole.items()}


async def test_all_kinds_of_models_are_asked_for_but_what_are_not_models() -> None:
    asked = list[str]()
    kinds = said(**{"/models": ["checkpoints", "custom_nodes", "a kind/of ours"]})

    async def get(path: str) -> str:
        asked.append(path)
        return kinds.get(path, "[]")

    found = await answers(get)

    assert asked == [
        *("/system_stats", "/models", "/internal/folder_paths"),
        *("/models/checkpoints", "/models/a%20kind%2Fof%20ours", "/object_info"),
    ]
    assert list(catalog_of(found, JobFiles(), Path("/none")).models) == ["checkpoints", "a kind/of ours"]


async def test_a_kind_that_cannot_be_listed_hides_no_other(tmp_path: Path) -> None:
    kinds = said(**{"/models": ["broken", "checkpoints"]})

    async def get(path: str) -> str:
        if path == "/models/broken":
            raise ComfyUnreachable("500")
        return kinds[path]

    assert list(catalog_of(await answers(get), JobFiles(), tmp_path).models) == ["checkpoints"]


def test_machine_models_and_nodes_come_together(tmp_path: Path) -> None:
    make_models(tmp_path / "models", {"checkpoints/a.safetensors": 7})
    (tmp_path / "nodes" / "a-pack").mkdir(parents=True)
    folders = {"checkpoints": [str(tmp_path / "models/checkpoints")], "custom_nodes": [str(tmp_path / "nodes")]}
    found = said(**{"/models/checkpoints": ["a.safetensors", "gone.safetensors"], "/internal/folder_paths": folders})

    catalog = catalog_of(found, JobFiles(), tmp_path / "models")

    assert (catalog.comfyui, catalog.frontend) == ("0.33.0", "1.35.9")
    assert (catalog.gpu, catalog.vram) == ("NVIDIA GeForce RTX 4090", 25_000_000_000)
    assert [pack.name for pack in catalog.packs] == ["a-pack"]
    assert catalog.models == {"checkpoints": {"a.safetensors": 7}}
    assert catalog.on_volume == {"checkpoints": ("a.safetensors",)}
    assert catalog.model_inputs == {"CheckpointLoaderSimple": {"ckpt_name": "checkpoints"}}
    assert catalog.nodes == {"CheckpointLoaderSimple": LOADER}


@pytest.mark.parametrize(
    ("devices", "gpu"),
    [
        ([{"name": "cpu", "type": "cpu", "vram_total": 5}], ("", 0)),
        ([], ("", 0)),
        ("none", ("", 0)),
        ([5], ("", 0)),
        ([{"name": "xpu:0 Arc", "type": "xpu", "vram_total": -1}], ("Arc", 0)),
        ([{"name": "NVIDIA L4", "type": "cuda", "vram_total": 1}], ("NVIDIA L4", 1)),
    ],
)
def test_a_gpu_is_named_as_people_name_it(devices: Any, gpu: tuple[str, int]) -> None:
    catalog = catalog_of(said(**{"/system_stats": {"devices": devices}}), JobFiles(), Path("/none"))

    assert (catalog.gpu, catalog.vram) == gpu


def test_the_installed_frontend_counts_where_comfyui_tells_it() -> None:
    package = {"name": "comfyui-frontend-package", "installed": "1.50.0", "required": "1.49.6"}
    system = {**SYSTEM, "comfy_package_versions": [{"name": "comfyui-other"}, package]}

    assert catalog_of(said(**{"/system_stats": {"system": system}}), JobFiles(), Path("/none")).frontend == "1.50.0"


def test_numbers_and_texts_that_are_not_json_become_others() -> None:
    text = '{"A": {"input": {"required": {"x": ["FLOAT", {"min": -Infinity, "default": NaN}]}}, "name": "\\ud800"}}'

    nodes = catalog_of({**said(), "/object_info": text}, JobFiles(), Path("/none")).nodes

    assert nodes["A"]["input"]["required"]["x"] == ["FLOAT", {"min": None, "default": None}]
    assert nodes["A"]["name"] == "?"


@pytest.mark.parametrize("path", ["/object_info", "/system_stats", "/internal/folder_paths"])
def test_what_cannot_be_read_makes_no_catalog(path: str) -> None:
    with pytest.raises(AnswersUnreadable):
        catalog_of({**said(), path: "<html>"}, JobFiles(), Path("/none"))
    with pytest.raises(AnswersUnreadable):
        catalog_of({name: text for name, text in said().items() if name != path}, JobFiles(), Path("/none"))


@pytest.mark.parametrize("value", [[], 5, {"A": 5}, None, {"A": {"input": 5}}])
def test_node_definitions_of_another_shape_are_left_out_or_harmless(value: Any) -> None:
    nodes = catalog_of(said(**{"/object_info": value}), JobFiles(), Path("/none")).nodes

    assert nodes in ({}, {"A": {"input": 5}})
