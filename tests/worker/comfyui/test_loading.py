"""What is said while ComfyUI reads a model."""

import pytest

from worker.comfyui.loading import loading

CHECKPOINT = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sdxl/base.safetensors"}}
SAMPLER = {"class_type": "KSampler", "inputs": {"seed": 1, "sampler_name": "euler"}}
REQUESTED, LOADED = "Requested to load SDXL", "loaded completely 9.5e+25 4897.05 True"


@pytest.mark.parametrize(
    ("node", "log", "said"),
    [
        (SAMPLER, ["got prompt", REQUESTED], "Loading SDXL"),
        (SAMPLER, ["got prompt", REQUESTED, LOADED], None),
        (SAMPLER, ["Requested to load Flux", LOADED, REQUESTED, "loaded partially 10 9"], None),
        (
            SAMPLER,
            [REQUESTED, "Model SDXL prepared for dynamic VRAM loading. 4897MB Staged. 0 patches attached."],
            None,
        ),
        (SAMPLER, [LOADED, REQUESTED, "some node said something"], "Loading SDXL"),
        (SAMPLER, [REQUESTED, "got prompt"], None),
        (SAMPLER, [], None),
        (CHECKPOINT, ["got prompt"], "Loading base.safetensors"),
        ({"class_type": "LoadImage", "inputs": {"image": "a.png"}}, [], None),
        ({"class_type": "CLIPLoader", "inputs": {"clip_name": ["4", 0]}}, [], None),
        (None, [], None),
    ],
)
def test_what_loads_is_read_from_the_running_node_and_the_log(
    node: dict[str, object] | None, log: list[str], said: str | None
) -> None:
    assert loading(node, log) == said
