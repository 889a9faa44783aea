"""The sandbox's nodes that load models, as in sandbox/comfyui/loaders.py."""

from pathlib import Path

import folder_paths
import numpy as np
import torch
from PIL import Image, ImageDraw

_SIZE = (256, 64)


def _written(picture, top, text):
    ImageDraw.Draw(picture).text((8, top), text, fill=(255, 255, 255))
    return torch.from_numpy(np.array(picture).astype(np.float32) / 255.0)


class SandboxCheckpoint:
    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        tooltip = {"tooltip": "The name of the checkpoint (model) to load."}
        return {"required": {"ckpt_name": (folder_paths.get_filename_list("checkpoints"), tooltip)}}

    def run(self, ckpt_name):
        size = Path(folder_paths.get_full_path_or_raise("checkpoints", ckpt_name)).stat().st_size
        return (_written(Image.new("RGB", _SIZE), 8, f"{ckpt_name}\n{size} bytes")[None],)


class SandboxLora:
    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("IMAGE",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        strength = ("FLOAT", {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01})
        names = (folder_paths.get_filename_list("loras"), {})
        return {"required": {"image": ("IMAGE",), "lora_name": names, "strength": strength}}

    def run(self, image, lora_name, strength):
        folder_paths.get_full_path_or_raise("loras", lora_name)
        pictures = [Image.fromarray((one.cpu().numpy() * 255.0).clip(0, 255).astype("uint8")) for one in image]
        return (torch.stack([_written(picture, 40, f"{lora_name} {strength:g}") for picture in pictures]),)
