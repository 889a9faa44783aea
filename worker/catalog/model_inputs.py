"""The kind of model that each input of a node offers. Pure.

ComfyUI does not say so: an input's choices are compared with the models of each kind. What the comparison cannot tell,
because a kind has no models or two kinds have the same, is in a table for ComfyUI's own loaders.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from worker.catalog.choices import choices, inputs_of

Models = Mapping[str, Iterable[str]]
"""kind -> names"""

_CLIPS = tuple(f"clip_name{number}" for number in (1, 2, 3, 4))
LOADERS: Mapping[str, Mapping[str, str]] = {
    "AudioEncoderLoader": {"audio_encoder_name": "audio_encoders"},
    "CLIPLoader": {"clip_name": "text_encoders"},
    "CLIPVisionLoader": {"clip_name": "clip_vision"},
    "CheckpointLoader": {"config_name": "configs", "ckpt_name": "checkpoints"},
    "CheckpointLoaderSimple": {"ckpt_name": "checkpoints"},
    "ControlNetLoader": {"control_net_name": "controlnet"},
    "CreateHookLora": {"lora_name": "loras"},
    "CreateHookLoraModelOnly": {"lora_name": "loras"},
    "CreateHookModelAsLora": {"ckpt_name": "checkpoints"},
    "CreateHookModelAsLoraModelOnly": {"ckpt_name": "checkpoints"},
    "DiffControlNetLoader": {"control_net_name": "controlnet"},
    "DualCLIPLoader": dict.fromkeys(_CLIPS[:2], "text_encoders"),
    "FrameInterpolationModelLoader": {"model_name": "frame_interpolation"},
    "GLIGENLoader": {"gligen_name": "gligen"},
    "HypernetworkLoader": {"hypernetwork_name": "hypernetworks"},
    "ImageOnlyCheckpointLoader": {"ckpt_name": "checkpoints"},
    "LTXAVTextEncoderLoader": {"text_encoder": "text_encoders", "ckpt_name": "checkpoints"},
    "LTXVAudioVAELoader": {"ckpt_name": "checkpoints"},
    "LatentUpscaleModelLoader": {"model_name": "latent_upscale_models"},
    "LoadBackgroundRemovalModel": {"bg_removal_name": "background_removal"},
    "LoadDA3Model": {"model_name": "geometry_estimation"},
    "LoadMediaPipeFaceLandmarker": {"model_name": "detection"},
    "LoadMoGeModel": {"model_name": "geometry_estimation"},
    "LoraLoader": {"lora_name": "loras"},
    "LoraLoaderBypass": {"lora_name": "loras"},
    "LoraLoaderBypassModelOnly": {"lora_name": "loras"},
    "LoraLoaderModelOnly": {"lora_name": "loras"},
    "ModelPatchLoader": {"name": "model_patches"},
    "OpticalFlowLoader": {"model_name": "optical_flow"},
    "PhotoMakerLoader": {"photomaker_model_name": "photomaker"},
    "QuadrupleCLIPLoader": dict.fromkeys(_CLIPS, "text_encoders"),
    "StyleModelLoader": {"style_model_name": "style_models"},
    "TrainLoraNode": {"existing_lora": "loras"},
    "TripleCLIPLoader": dict.fromkeys(_CLIPS[:3], "text_encoders"),
    "UNETLoader": {"unet_name": "diffusion_models"},
    "UpscaleModelLoader": {"model_name": "upscale_models"},
    "VAELoader": {"vae_name": "vae"},
    "unCLIPCheckpointLoader": {"ckpt_name": "checkpoints"},
}
"""Source: ComfyUI 0.3.64, 0.8.0 and 0.33.0, nodes.py and comfy_extras: what is made of ``get_filename_list``. A test
computes it from the newest of them."""

_WEIGHTS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".pt2", ".bin", ".gguf", ".onnx", ".pkl")


def model_inputs(nodes: Mapping[str, Any], models: Models) -> dict[str, dict[str, str]]:
    """Class -> input -> kind, of the inputs for which it is certain."""
    known = {kind: frozenset(names) for kind, names in models.items()}
    every = frozenset[str]().union(*known.values())
    found = {name: _of_class(name, info, known, every) for name, info in nodes.items()}
    return {name: inputs for name, inputs in found.items() if inputs}


def _of_class(
    name: str, info: Mapping[str, Any], known: Mapping[str, frozenset[str]], every: frozenset[str]
) -> dict[str, str]:
    inputs = ((key, choices(spec)) for key, spec in inputs_of(info))
    kinds = {key: _own(name, key) or _offered(offered, known, every) for key, offered in inputs if offered is not None}
    return {key: kind for key, kind in kinds.items() if kind is not None}


def _own(name: str, key: str) -> str | None:
    return LOADERS.get(name, {}).get(key)


def _offered(offered: Sequence[str], known: Mapping[str, frozenset[str]], every: frozenset[str]) -> str | None:
    """The one kind whose models are offered: all of them, or, if no kind's are, some of them.

    Beside them there may be words, such as "None" and "Baked VAE", but no files of weights.
    """
    files = every.intersection(offered)
    if not files or any(other.lower().endswith(_WEIGHTS) for other in offered if other not in files):
        return None
    whole = [kind for kind, names in known.items() if names == files]
    possible = whole or [kind for kind, names in known.items() if names > files]
    return possible[0] if len(possible) == 1 else None
