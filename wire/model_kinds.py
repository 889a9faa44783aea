"""Which folder of models is which kind, such as ``checkpoints``: of the volume's models, and of ComfyUI's own."""

from collections.abc import Iterator

KINDS = {
    "audio_encoders": ("audio_encoders",),
    "background_removal": ("background_removal",),
    "checkpoints": ("checkpoints",),
    "classifiers": ("classifiers",),
    "clip_vision": ("clip_vision",),
    "configs": ("configs",),
    "controlnet": ("controlnet", "t2i_adapter"),
    "detection": ("detection",),
    "diffusers": ("diffusers",),
    "diffusion_models": ("unet", "diffusion_models"),
    "embeddings": ("embeddings",),
    "frame_interpolation": ("frame_interpolation",),
    "geometry_estimation": ("geometry_estimation",),
    "gligen": ("gligen",),
    "hypernetworks": ("hypernetworks",),
    "latent_upscale_models": ("latent_upscale_models",),
    "loras": ("loras",),
    "model_patches": ("model_patches",),
    "optical_flow": ("optical_flow",),
    "photomaker": ("photomaker",),
    "style_models": ("style_models",),
    "text_encoders": ("text_encoders", "clip"),
    "upscale_models": ("upscale_models",),
    "vae": ("vae",),
    "vae_approx": ("vae_approx",),
}
"""Every kind of model that the pinned ComfyUI knows, with its folders. Source: ComfyUI 0.33.0, folder_paths.py, all but
custom_nodes and datasets, which are not models; a test computes it from that release."""

NESTED_KINDS = {
    "ultralytics_bbox": ("ultralytics/bbox",),
    "ultralytics_segm": ("ultralytics/segm",),
    "mmdets_bbox": ("mmdets/bbox",),
    "mmdets_segm": ("mmdets/segm",),
}
"""Kinds whose folder lies in that of another one. Source: Impact Pack and Impact Subpack, which look for them in
ComfyUI's own models folder and wherever ``extra_model_paths`` says."""

MODELS_ON_VOLUME = "comfyui/models"
"""from the volume's root; workers see it as /runpod-volume/comfyui/models, the default of their MODELS_DIR"""

_SUFFIXES = (".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft")
"""source: ComfyUI 0.33.0, folder_paths.py ``supported_pt_extensions``"""
_OTHER_SUFFIXES = {"configs": (".yaml",), "classifiers": (), "diffusers": ()}
"""kinds that ComfyUI lists otherwise; the last two have folders instead of files"""
_OF_PACKS = (*_SUFFIXES, ".gguf", ".onnx")
_KIND_OF = {folder: kind for kind, folders in (*KINDS.items(), *NESTED_KINDS.items()) for folder in folders}
_NOT_MODELS = frozenset({"custom_nodes"})


def models_named(path: str) -> Iterator[tuple[str, str]]:
    """Kind and name of the model in the file *path*, which is relative to the folder of all models. A file in a folder
    of Impact Pack's has two: ``ultralytics/bbox/a.pt`` is ``a.pt`` and ``bbox/a.pt``.

    As ComfyUI finds it with what a worker tells it of the volume (worker/models/paths.py).
    """
    parts = path.split("/")
    if any(part.startswith(".") for part in parts):
        return
    for depth in (2, 1):
        folder, name = "/".join(parts[:depth]), "/".join(parts[depth:])
        kind = _KIND_OF.get(folder) or (folder if depth == 1 and folder not in _NOT_MODELS else "")
        if kind and name:
            yield kind, name


def is_listed(kind: str, name: str) -> bool:
    """Whether ComfyUI lists a file of this name among the models of the kind."""
    known = kind in KINDS or kind in NESTED_KINDS
    return name.lower().endswith(_OTHER_SUFFIXES.get(kind, _SUFFIXES if known else _OF_PACKS))


def folder_on_volume(kind: str) -> str:
    """The folder of the volume's models into which a model of the kind goes: that of its name, if there is one."""
    folders = {**KINDS, **NESTED_KINDS}.get(kind, (kind,))
    return kind if kind in folders else folders[0]
