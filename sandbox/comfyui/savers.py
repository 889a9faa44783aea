"""Nodes that write files, with the metadata that brings the graph back when a file is dropped on the page."""

import json
import random
import string
import struct
import time
import wave
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

from sandbox.comfyui.folders import save_path
from sandbox.comfyui.node import Context, Images, NodeClass, Result

_HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}


def _metadata(context: Context) -> PngInfo:
    info = PngInfo()
    info.add_text("prompt", json.dumps(context.prompt))
    for key, value in (context.extra_pnginfo or {}).items():
        info.add_text(key, json.dumps(value))
    return info


def _item(path: Path, subfolder: str, folder: str) -> dict[str, str]:
    return {"filename": path.name, "subfolder": subfolder, "type": folder}


def _save_pngs(context: Context, images: Images, prefix: str, folder: str, compress_level: int) -> Result:
    where = save_path(context.folders.of(folder), prefix, *images[0].size, datetime.now())
    saved = []
    for batch, image in enumerate(images):
        path = where.next(".png", batch)
        image.save(path, pnginfo=_metadata(context), compress_level=compress_level)
        saved.append(_item(path, where.subfolder, folder))
    return Result((images,), ui={"images": saved})


def save_image(context: Context, images: Images, filename_prefix: str) -> Result:
    return _save_pngs(context, images, filename_prefix, "output", 4)


def preview_image(context: Context, images: Images) -> Result:
    letters = "".join(random.choices(string.ascii_lowercase, k=5))  # noqa: S311  only to tell names apart
    return _save_pngs(context, images, f"ComfyUI_temp_{letters}", "temp", 1)


def save_image_websocket(context: Context, images: Images) -> Result:
    """Source: ComfyUI custom_nodes/websocket_image_save.py."""
    for step, image in enumerate(images):
        context.deliver(step, len(images), image)
    return Result()


def save_animated_webp(
    context: Context, images: Images, filename_prefix: str, fps: float, lossless: bool, quality: int, method: str
) -> Result:
    where = save_path(context.folders.output, filename_prefix, *images[0].size, datetime.now())
    path = where.next(".webp")
    exif = images[0].getexif()
    exif[0x0110] = f"prompt:{json.dumps(context.prompt)}"
    for tag, (key, value) in zip(range(0x010F, 0, -1), (context.extra_pnginfo or {}).items(), strict=False):
        exif[tag] = f"{key}:{json.dumps(value)}"
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=int(1000 / fps),
        lossless=lossless,
        quality=quality,
        method={"default": 4, "fastest": 0, "slowest": 6}[method],
        exif=exif,
    )
    saved = [_item(path, where.subfolder, "output")]
    return Result((images,), ui={"images": saved, "animated": [len(images) != 1]})


def save_audio(context: Context, audio: dict[str, Any], filename_prefix: str) -> Result:
    where = save_path(context.folders.output, filename_prefix, 0, 0, datetime.now())
    path = where.next(".wav")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(audio["sample_rate"])
        file.writeframes(b"".join(struct.pack("<h", int(value * 32767)) for value in audio["samples"]))
    return Result(ui={"audio": [_item(path, where.subfolder, "output")]})


SAVERS = (
    NodeClass(
        "SaveImage",
        save_image,
        {
            "images": ["IMAGE", {"tooltip": "The images to save."}],
            "filename_prefix": ["STRING", {"default": "ComfyUI", "tooltip": "The prefix for the file to save."}],
        },
        ("IMAGE",),
        output_names=("images",),
        display_name="Save Image",
        output_node=True,
        hidden=_HIDDEN,
    ),
    NodeClass(
        "PreviewImage",
        preview_image,
        {"images": ["IMAGE"]},
        ("IMAGE",),
        output_names=("images",),
        display_name="Preview Image",
        output_node=True,
        hidden=_HIDDEN,
    ),
    NodeClass(
        "SaveImageWebsocket",
        save_image_websocket,
        {"images": ["IMAGE"]},
        display_name="Save Image (Websocket)",
        module="custom_nodes.websocket_image_save",
        output_node=True,
        fingerprint=lambda _folders, _inputs: time.time(),
    ),
    NodeClass(
        "SaveAnimatedWEBP",
        save_animated_webp,
        {
            "images": ["IMAGE", {}],
            "filename_prefix": ["STRING", {"default": "ComfyUI", "multiline": False}],
            "fps": ["FLOAT", {"default": 6.0, "min": 0.01, "max": 1000.0, "step": 0.01}],
            "lossless": ["BOOLEAN", {"default": True}],
            "quality": ["INT", {"default": 80, "min": 0, "max": 100}],
            "method": ["COMBO", {"multiselect": False, "options": ["default", "fastest", "slowest"]}],
        },
        ("IMAGE",),
        output_names=("images",),
        newer=True,
        display_name="Save Animated WEBP",
        module="comfy_extras.nodes_images",
        output_node=True,
        hidden=_HIDDEN,
    ),
    NodeClass(
        "SandboxSaveAudio",
        save_audio,
        {"audio": ["AUDIO"], "filename_prefix": ["STRING", {"default": "audio/ComfyUI"}]},
        display_name="Save Audio (WAV)",
        category="sandbox",
        module="custom_nodes.sandbox",
        output_node=True,
        hidden=_HIDDEN,
    ),
)
