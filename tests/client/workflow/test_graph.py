"""The page's format becomes what the page would have posted."""

import json
from pathlib import Path
from typing import Any

import pytest

from client.workflow.graph import to_prompt
from client.workflow.widgets import GraphUnconvertible

PROJECT = Path(__file__).resolve().parents[3]
COMBO = [["a", "b"]]
SEED = ["INT", {"default": 0, "control_after_generate": True}]


def required(**specs: Any) -> dict[str, Any]:
    return {"input": {"required": specs}, "display_name": ""}


INFOS: dict[str, Any] = {
    **json.loads((PROJECT / "tests" / "data" / "comfyui-0.8.0-nodes.json").read_text(encoding="utf-8")),
    # nodes.py and comfy_extras of ComfyUI 0.8.0
    "CheckpointLoaderSimple": required(ckpt_name=COMBO),
    "CLIPTextEncode": required(text=["STRING", {"multiline": True}], clip=["CLIP"]),
    "EmptyLatentImage": required(width=["INT"], height=["INT"], batch_size=["INT"]),
    "VAEDecode": required(samples=["LATENT"], vae=["VAE"]),
    "VAEEncode": required(pixels=["IMAGE"], vae=["VAE"]),
    "UpscaleModelLoader": required(model_name=["COMBO", {"options": []}]),
    "ImageUpscaleWithModel": required(upscale_model=["UPSCALE_MODEL"], image=["IMAGE"]),
    "UNETLoader": required(unet_name=COMBO, weight_dtype=COMBO),
    "CLIPLoader": {"input": {"required": {"clip_name": COMBO, "type": COMBO}, "optional": {"device": COMBO}}},
    "VAELoader": required(vae_name=COMBO),
    "ModelSamplingSD3": required(model=["MODEL"], shift=["FLOAT", {"default": 3.0}]),
    "KSampler": required(
        model=["MODEL"], seed=SEED, steps=["INT"], cfg=["FLOAT"], sampler_name=COMBO, scheduler=COMBO,
        positive=["CONDITIONING"], negative=["CONDITIONING"], latent_image=["LATENT"], denoise=["FLOAT"],
    ),
    "Wan22ImageToVideoLatent": {
        "input": {
            "required": {"vae": ["VAE"], "width": ["INT"], "height": ["INT"], "length": ["INT"], "batch_size": ["INT"]},
            "optional": {"start_image": ["IMAGE"]},
        }
    },
    "CreateVideo": {"input": {"required": {"images": ["IMAGE"], "fps": ["FLOAT"]}, "optional": {"audio": ["AUDIO"]}}},
    "SaveVideo": required(video=["VIDEO"], filename_prefix=["STRING"], format=["COMBO"], codec=["COMBO"]),
}  # fmt: skip


def executable(prompt: dict[str, Any]) -> dict[str, Any]:
    return {node_id: {key: node[key] for key in ("class_type", "inputs")} for node_id, node in prompt.items()}


@pytest.mark.parametrize("path", sorted((PROJECT / "workflows").glob("*.api.json")), ids=lambda path: path.name)
def test_every_sample_becomes_its_own_api_form(path: Path) -> None:
    graph = json.loads(path.with_name(path.name.replace(".api", "")).read_text(encoding="utf-8"))

    assert executable(to_prompt(graph, INFOS)) == executable(json.loads(path.read_text(encoding="utf-8")))


def node(node_id: int, kind: str, values: Any = (), inputs: Any = (), mode: int = 0, outputs: Any = ()) -> Any:
    slots = [{"name": name, "type": type_, "link": link} for name, type_, link in inputs]
    made = [{"name": type_, "type": type_} for type_ in outputs]
    return {"id": node_id, "type": kind, "mode": mode, "widgets_values": values, "inputs": slots, "outputs": made}


def image(node_id: int = 1) -> Any:
    return node(node_id, "EmptyImage", [8, 8, 1, 0], outputs=["IMAGE"])


def save(link: int) -> Any:
    return node(9, "SaveImage", ["x"], [("images", "IMAGE", link)])


def images_of_save(nodes: list[Any], links: list[Any], **more: Any) -> Any:
    return to_prompt({"nodes": nodes, "links": links, **more}, INFOS)["9"]["inputs"].get("images")


def test_a_reroute_is_only_a_bend_in_the_link() -> None:
    reroute = node(2, "Reroute", inputs=[("", "*", 1)], outputs=["IMAGE"])

    assert images_of_save([image(), reroute, save(2)], [[1, 1, 0, 2, 0, "*"], [2, 2, 0, 9, 0, "IMAGE"]]) == ["1", 0]


def test_a_bypassed_node_passes_on_what_fits_its_output() -> None:
    bypassed = node(2, "ImageInvert", inputs=[("image", "IMAGE", 1)], mode=4, outputs=["IMAGE"])

    assert images_of_save([image(), bypassed, save(2)], [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 9, 0, "IMAGE"]]) == [
        "1",
        0,
    ]


def test_a_muted_node_and_notes_are_not_there() -> None:
    muted = node(2, "ImageInvert", inputs=[("image", "IMAGE", 1)], mode=2, outputs=["IMAGE"])
    nodes = [image(), muted, save(2), node(3, "MarkdownNote", ["text"])]
    prompt = to_prompt({"nodes": nodes, "links": [[1, 1, 0, 2, 0, "IMAGE"], [2, 2, 0, 9, 0, "IMAGE"]]}, INFOS)

    assert set(prompt) == {"1", "9"}
    assert "images" not in prompt["9"]["inputs"]


def test_a_primitive_gives_its_value() -> None:
    primitive = node(2, "PrimitiveNode", ["from afar", "fixed"], outputs=["STRING"])
    saver = node(9, "SaveImage", ["x"], [("images", "IMAGE", 1), ("filename_prefix", "STRING", 2)])
    graph = {"nodes": [image(), primitive, saver], "links": [[1, 1, 0, 9, 0, "IMAGE"], [2, 2, 0, 9, 1, "STRING"]]}

    assert to_prompt(graph, INFOS)["9"]["inputs"] == {"images": ["1", 0], "filename_prefix": "from afar"}


def subgraph() -> dict[str, Any]:
    """An image in, inverted, out; its width is a widget of whoever uses it."""

    def link(number: int, start: int, slot: int, end: int, end_slot: int) -> dict[str, Any]:
        names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
        return dict(zip(names, (number, start, slot, end, end_slot), strict=True))

    empty = node(5, "EmptyImage", [8, 8, 1, 0], [("width", "INT", 12)], outputs=["IMAGE"])
    blend = node(4, "ImageBatch", [], [("image1", "IMAGE", 10), ("image2", "IMAGE", 13)], outputs=["IMAGE"])
    return {
        "id": "s1", "nodes": [blend, empty], "inputs": [{"name": "picture"}, {"name": "width"}],
        "links": [link(10, -10, 0, 4, 0), link(11, 4, 0, -20, 0), link(12, -10, 1, 5, 0), link(13, 5, 0, 4, 1)],
    }  # fmt: skip


def test_a_subgraph_is_taken_apart_and_its_nodes_carry_both_ids() -> None:
    use = {**node(7, "s1", [16], outputs=["IMAGE"]), "inputs": [
        {"name": "picture", "type": "IMAGE", "link": 1},
        {"name": "width", "type": "INT", "link": None, "widget": {"name": "width"}},
    ]}  # fmt: skip
    graph = {
        "nodes": [image(), use, save(2)],
        "links": [[1, 1, 0, 7, 0, "IMAGE"], [2, 7, 0, 9, 0, "IMAGE"]],
        "definitions": {"subgraphs": [subgraph()]},
    }
    prompt = to_prompt(graph, INFOS)

    assert set(prompt) == {"1", "7:4", "7:5", "9"}
    assert prompt["9"]["inputs"]["images"] == ["7:4", 0]
    assert prompt["7:4"]["inputs"] == {"image1": ["1", 0], "image2": ["7:5", 0]}
    assert prompt["7:5"]["inputs"]["width"] == 16


def test_a_value_in_the_wrong_place_is_refused_rather_than_sent() -> None:
    with pytest.raises(GraphUnconvertible, match=r"EmptyImage #1: 'eight' is saved where its width should be"):
        to_prompt({"nodes": [node(1, "EmptyImage", ["eight", 8, 1, 0])], "links": []}, INFOS)


def test_a_widget_that_is_newer_than_the_file_has_its_default() -> None:
    prompt = to_prompt({"nodes": [node(1, "EmptyImage", [8])], "links": []}, INFOS)

    assert prompt["1"]["inputs"] == {"width": 8, "height": 512, "batch_size": 1, "color": 0}


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        ({"nodes": [node(1, "Mystery")], "links": []}, r"does not know the node Mystery \(#1\)"),
        ({"nodes": [], "links": []}, "no node of the graph would run"),
        ({"nodes": [{"id": 1}], "links": []}, "the graph is broken"),
        ({"nodes": [save(1)], "links": [[1, 5, 0, 9, 0, "IMAGE"]]}, "the graph is broken"),
    ],
)
def test_what_cannot_be_converted_says_why(graph: Any, says: str) -> None:
    with pytest.raises(GraphUnconvertible, match=says):
        to_prompt(graph, INFOS)
