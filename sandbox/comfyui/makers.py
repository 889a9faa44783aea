"""Nodes that make and change images."""

import hashlib
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageChops, ImageOps

from sandbox.comfyui.folders import ComfyFolders
from sandbox.comfyui.node import Context, Images, NodeClass, Result

_FILTERS = {
    "nearest-exact": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def empty_image(_: Context, width: int, height: int, batch_size: int, color: int) -> Result:
    rgb = (color >> 16 & 255, color >> 8 & 255, color & 255)
    return Result(([Image.new("RGB", (width, height), rgb) for _ in range(batch_size)],))


def load_image(context: Context, image: str) -> Result:
    with Image.open(context.folders.annotated(image)) as opened:
        whole = ImageOps.exif_transpose(opened) or opened
        mask = ImageOps.invert(whole.convert("RGBA").getchannel("A"))
        return Result(([whole.convert("RGB")], [mask]))


def invert(_: Context, image: Images) -> Result:
    return Result(([ImageOps.invert(one) for one in image],))


def scale(_: Context, image: Images, upscale_method: str, width: int, height: int, crop: str) -> Result:
    old_width, old_height = image[0].size
    width = width or max(1, round(old_width * height / old_height)) if height else width or old_width
    height = height or max(1, round(old_height * width / old_width))
    resample = _FILTERS[upscale_method]
    if crop == "center":
        return Result(([ImageOps.fit(one, (width, height), resample) for one in image],))
    return Result(([one.resize((width, height), resample) for one in image],))


def blend(_: Context, image1: Images, image2: Images, blend_factor: float, blend_mode: str) -> Result:
    modes = {
        "normal": lambda _, two: two,
        "multiply": ImageChops.multiply,
        "screen": ImageChops.screen,
        "overlay": ImageChops.overlay,
        "soft_light": ImageChops.soft_light,
        "difference": ImageChops.difference,
    }
    pairs = [(one, two.resize(one.size, Image.Resampling.BICUBIC)) for one, two in zip(image1, image2, strict=False)]
    return Result(([Image.blend(one, modes[blend_mode](one, two), blend_factor) for one, two in pairs],))


def batch(_: Context, image1: Images, image2: Images) -> Result:
    return Result(([*image1, *(one.resize(image1[0].size) for one in image2)],))


def _images_in(folders: ComfyFolders) -> list[str]:
    return sorted(path.name for path in folders.input.iterdir() if path.suffix.lower() in Image.registered_extensions())


def _missing_image(folders: ComfyFolders, inputs: Mapping[str, Any]) -> str | None:
    name = inputs["image"]
    return None if folders.annotated(name).is_file() else f"Invalid image file: {name}"


def _image_content(folders: ComfyFolders, inputs: Mapping[str, Any]) -> object:
    return hashlib.sha256(folders.annotated(inputs["image"]).read_bytes()).hexdigest()


def _size(default: int = 512, least: int = 1) -> list[Any]:
    return ["INT", {"default": default, "min": least, "max": 16384, "step": 1}]


MAKERS = (
    NodeClass(
        "EmptyImage",
        empty_image,
        {
            "width": _size(),
            "height": _size(),
            "batch_size": ["INT", {"default": 1, "min": 1, "max": 4096}],
            "color": ["INT", {"default": 0, "min": 0, "max": 16777215, "step": 1, "display": "color"}],
        },
        ("IMAGE",),
        display_name="Empty Image",
    ),
    NodeClass(
        "LoadImage",
        load_image,
        {"image": [[], {"image_upload": True}]},
        ("IMAGE", "MASK"),
        display_name="Load Image",
        options={"image": _images_in},
        validate=_missing_image,
        fingerprint=_image_content,
    ),
    NodeClass(
        "ImageInvert",
        invert,
        {"image": ["IMAGE"]},
        ("IMAGE",),
        display_name="Invert Image Colors",
        category="image/color",
    ),
    NodeClass(
        "ImageScale",
        scale,
        {
            "image": ["IMAGE"],
            "upscale_method": [list(_FILTERS)],
            "width": _size(least=0),
            "height": _size(least=0),
            "crop": [["disabled", "center"]],
        },
        ("IMAGE",),
        display_name="Upscale Image",
        category="image/upscaling",
    ),
    NodeClass(
        "ImageBlend",
        blend,
        {
            "image1": ["IMAGE", {}],
            "image2": ["IMAGE", {}],
            "blend_factor": ["FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01}],
            "blend_mode": [
                "COMBO",
                {
                    "multiselect": False,
                    "options": ["normal", "multiply", "screen", "overlay", "soft_light", "difference"],
                },
            ],
        },
        ("IMAGE",),
        newer=True,
        display_name="Blend Images",
        category="image/filters",
        module="comfy_extras.nodes_post_processing",
    ),
    NodeClass(
        "ImageBatch",
        batch,
        {"image1": ["IMAGE"], "image2": ["IMAGE"]},
        ("IMAGE",),
        display_name="Batch Images (DEPRECATED)",
        category="image/batch",
        deprecated=True,
    ),
)
