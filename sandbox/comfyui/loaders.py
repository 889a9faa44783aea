"""Nodes that load a model: they have no use for one, and draw the name of its file into a picture."""

from collections.abc import Callable

from PIL import Image, ImageDraw

from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.node import Context, Images, NodeClass, Result

_SIZE = (256, 64)


def load_checkpoint(context: Context, ckpt_name: str) -> Result:
    size = context.folders.models.path("checkpoints", ckpt_name).stat().st_size
    return Result(([_written(Image.new("RGB", _SIZE), 8, f"{ckpt_name}\n{size} bytes")],))


def apply_lora(context: Context, image: Images, lora_name: str, strength: float) -> Result:
    context.folders.models.path("loras", lora_name)
    return Result(([_written(one, 40, f"{lora_name} {strength:g}") for one in image],))


def _written(image: Image.Image, top: int, text: str) -> Image.Image:
    written = image.copy()
    ImageDraw.Draw(written).text((8, top), text, fill=(255, 255, 255))
    return written


def _names(kind: str) -> Callable[[ComfyFolders], list[str]]:
    return lambda folders: folders.models.names(kind)


LOADERS = (
    NodeClass(
        "SandboxCheckpoint",
        load_checkpoint,
        {"ckpt_name": [[], {"tooltip": "The name of the checkpoint (model) to load."}]},
        ("IMAGE",),
        category="sandbox",
        module="custom_nodes.sandbox",
        options={"ckpt_name": _names("checkpoints")},
    ),
    NodeClass(
        "SandboxLora",
        apply_lora,
        {
            "image": ["IMAGE"],
            "lora_name": [[], {}],
            "strength": ["FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}],
        },
        ("IMAGE",),
        category="sandbox",
        module="custom_nodes.sandbox",
        options={"lora_name": _names("loras")},
    ),
)
