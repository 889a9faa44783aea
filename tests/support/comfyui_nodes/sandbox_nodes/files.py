"""Nodes that read and write files, for a real ComfyUI, to compare it with the sandbox's."""

import hashlib
import random
from pathlib import Path
from types import SimpleNamespace

import comfy.model_management
import folder_paths
import torch
from comfy_api.latest import Types


class SandboxLeave:
    """Writes a file and says nothing of it."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", (), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        text, name = ("STRING", {"default": "left"}), ("STRING", {"default": "left.txt"})
        return {"required": {"text": text, "folder": (["output", "input"], {}), "name": name}}

    def run(self, text, folder, name):
        path = Path(folder_paths.get_directory_by_type(folder)) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return {}


class SandboxFilmWithPicture:
    """A film, the picture beside it, and a film that only its number tells of."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", (), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"filename_prefix": ("STRING", {"default": "clips/v"})}}

    def run(self, filename_prefix):
        root = folder_paths.get_output_directory()
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(filename_prefix, root)
        names = [f"{name}_{counter:05}{rest}" for rest in (".png", ".mp4", "-audio.mp4")]
        for written in names:
            (Path(folder) / written).write_text(written, encoding="utf-8")
        item = {"filename": names[2], "subfolder": subfolder, "type": "output", "format": "video/h264-mp4"}
        return {"ui": {"gifs": [{**item, "workflow": names[0], "fullpath": str(Path(folder) / names[2])}]}}


class SandboxCloud:
    """A model and a background in the temp folder, named by paths."""

    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", (), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"name": ("STRING", {"default": "cloud"})}}

    def run(self, name):
        model, background = f"preview_{name}.ply", f"bg_{name}.png"
        for file in (model, background):
            (Path(folder_paths.get_temp_directory()) / file).write_text(file, encoding="utf-8")
        return {"ui": {"result": [model, None, f"temp/{background}"]}}


class SandboxFilm:
    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", (), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        megabytes = ("INT", {"default": 10, "min": 0, "max": 10000})
        seed = ("INT", {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF})
        prefix = ("STRING", {"default": "video/ComfyUI"})
        return {"required": {"megabytes": megabytes, "seed": seed, "filename_prefix": prefix}}

    def run(self, megabytes, seed, filename_prefix):
        root = folder_paths.get_output_directory()
        folder, name, counter, subfolder, _ = folder_paths.get_save_image_path(filename_prefix, root)
        path = Path(folder) / f"{name}_{counter:05}_.mp4"
        piece = random.Random(seed).randbytes(1024 * 1024 - 8)
        with path.open("wb") as file:
            for number in range(megabytes):
                comfy.model_management.throw_exception_if_processing_interrupted()
                file.write(number.to_bytes(8) + piece)
        item = {"filename": path.name, "subfolder": subfolder, "type": "output"}
        return {"ui": {"images": [item], "animated": (True,)}}


class SandboxReadFile:
    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", ("STRING",), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        root = Path(folder_paths.get_input_directory())
        names = sorted(path.name for path in root.iterdir() if path.is_file())
        return {"required": {"file": (names, {"video_upload": True})}}

    @classmethod
    def VALIDATE_INPUTS(cls, file):
        return folder_paths.exists_annotated_filepath(file) or f"Invalid video file: {file}"

    def run(self, file):
        with Path(folder_paths.get_annotated_filepath(file)).open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            text = f"{content.tell()} {digest}"
        return {"ui": {"text": [text]}, "result": (text,)}


class SandboxReadPath:
    CATEGORY, RETURN_TYPES, FUNCTION, OUTPUT_NODE = "sandbox", ("STRING",), "run", True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"path": ("STRING", {"default": ""})}}

    def run(self, path):
        place = Path(path)
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        text = "\n".join(f"{file.name} {file.read_text()}" for file in files if file.is_file())
        return {"ui": {"text": [text or "BLANK"]}, "result": (text,)}


class SandboxReadFolder(SandboxReadPath):
    @classmethod
    def INPUT_TYPES(cls):
        root = Path(folder_paths.get_input_directory())
        return {"required": {"folder": (sorted(path.name for path in root.iterdir() if path.is_dir()), {})}}

    def run(self, folder):
        return super().run(folder_paths.get_annotated_filepath(folder))


class SandboxTriangle:
    """A mesh without a model; only a real ComfyUI can save it."""

    CATEGORY, RETURN_TYPES, FUNCTION = "sandbox", ("MESH",), "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        corners = torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
        mesh = getattr(Types, "MESH", SimpleNamespace)  # 0.3.64 asks for no class of its own
        return (mesh(vertices=corners, faces=torch.tensor([[[0, 1, 2]]])),)
