"""An endpoint's catalog and this machine's definitions, as prompts are judged by them."""

from collections.abc import Mapping
from typing import Any

from engine.catalog.merge import merged_class
from engine.prompt.sides import Sides
from wire.catalog import Catalog

Info = dict[str, Any]


def info(required: Mapping[str, Any], output: list[Any], module: str = "nodes", **more: Any) -> Info:
    """A class as object_info has it."""
    return {"input": {"required": dict(required)}, "output": output, "python_module": module, **more}


def endpoint(**changed: Any) -> Catalog:
    """An endpoint with ComfyUI 0.33.0, one checkpoint, and a pack that this machine does not have."""
    nodes = {
        "CheckpointLoaderSimple": info({"ckpt_name": [["there.safetensors"]]}, ["MODEL", "CLIP", "VAE"]),
        "KSampler": info({"model": ["MODEL"], "steps": ["INT", {"min": 1, "max": 100}]}, ["LATENT"]),
        "SaveLatent": info({"samples": ["LATENT"]}, [], output_node=True),
        "OnlyThere": info(
            {"model": ["MODEL"], "mode": [["fast", "good"]], "lora": [["None"]], "size": ["INT", {"max": 8}]},
            ["MODEL"],
            "custom_nodes.pack",
        ),
    }
    facts: dict[str, Any] = {
        "comfyui": "0.33.0",
        "nodes": nodes,
        "models": {"checkpoints": {"there.safetensors": 5}, "loras": {"sub/l.safetensors": 6}},
        "model_inputs": {"CheckpointLoaderSimple": {"ckpt_name": "checkpoints"}, "OnlyThere": {"lora": "loras"}},
        "packs": [{"name": "pack", "version": "1.2"}],
    }
    return Catalog.model_validate(facts | changed)


LOCAL: dict[str, Info | None] = {
    "CheckpointLoaderSimple": info({"ckpt_name": [["here.safetensors"]]}, ["MODEL", "CLIP", "VAE"]),
    "KSampler": info({"model": ["MODEL"], "steps": ["INT", {"min": 1, "max": 100}]}, ["LATENT"]),
    "SaveLatent": info({"samples": ["LATENT"]}, [], output_node=True),
    "OnlyHere": info({}, ["MODEL"], "custom_nodes.other"),
}


def sides(
    prompt: Mapping[str, Any], known: Catalog, local: Mapping[str, Info | None] = LOCAL, *, is_current: bool = True
) -> Sides:
    """What judges *prompt*."""
    kinds = {node["class_type"] for node in prompt.values()}
    here = {kind: local.get(kind) for kind in kinds}
    infos = {kind: merged_class(kind, found, known) for kind, found in here.items()}
    return Sides(infos, here, known, is_current=is_current, local_version="0.33.0")


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def sampled(ckpt: str = "there.safetensors", /, **more: Any) -> dict[str, Any]:
    """A prompt: a checkpoint, a sampler and an output, and *more* nodes."""
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name=ckpt),
        "2": node("KSampler", model=["1", 0], steps=20),
        "3": node("SaveLatent", samples=["2", 0]),
        **more,
    }
