"""The page's format becomes what the page would have posted."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from client.workflow.graph import Moment, to_prompt
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


def link(number: int, start: int, slot: int, end: int, end_slot: int) -> dict[str, Any]:
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    return dict(zip(names, (number, start, slot, end, end_slot), strict=True))


def side(name: str, kind: str, *links: int) -> dict[str, Any]:
    """An input or output of a subgraph."""
    return {"name": name, "type": kind, "linkIds": list(links)}


def subgraph() -> dict[str, Any]:
    """An image in, inverted, out; its width is a widget of whoever uses it."""

    empty = node(5, "EmptyImage", [8, 8, 1, 0], [("width", "INT", 12)], outputs=["IMAGE"])
    blend = node(4, "ImageBatch", [], [("image1", "IMAGE", 10), ("image2", "IMAGE", 13)], outputs=["IMAGE"])
    return {
        "id": "s1", "nodes": [blend, empty],
        "inputs": [side("picture", "IMAGE", 10), side("width", "INT", 12)], "outputs": [side("IMAGE", "IMAGE", 11)],
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


# -- what people's files hold; the right answers are what the page of ComfyUI 0.33.0 sends, its Math.random fixed at 0

CASES = PROJECT / "tests" / "data" / "conversion"
PACKS: dict[str, Any] = {
    "VHS_VideoCombine": {"input": {
        "required": {"images": ["IMAGE"], "frame_rate": ["FLOAT", {"default": 8}], "loop_count": ["INT", {}],
                     "filename_prefix": ["STRING", {}], "pingpong": ["BOOLEAN", {}], "save_output": ["BOOLEAN", {}],
                     "format": [["image/gif", "video/h264-mp4"], {"formats": {"video/h264-mp4": [
                         ["pix_fmt", ["yuv420p"]], ["crf", "INT", {"default": 19}]]}}]},
        "optional": {"audio": ["AUDIO"]}}},
    "Power Lora Loader (rgthree)": {"input": {"required": {}, "optional": {"model": ["MODEL"], "clip": ["CLIP"]}}},
}  # fmt: skip
NODES: dict[str, Any] = {
    **json.loads((PROJECT / "tests" / "data" / "conversion-nodes.json").read_text(encoding="utf-8")),
    **PACKS,
}
MOMENT = Moment(datetime(2026, 11, 25, tzinfo=UTC), lambda _: 0)


def sent(case: str) -> dict[str, Any]:
    graph = json.loads((CASES / f"{case}.json").read_text(encoding="utf-8"))
    return {node_id: node["inputs"] for node_id, node in to_prompt(graph, NODES, MOMENT).items()}


def test_values_typed_into_a_subgraph_go_by_the_inputs_of_its_definition() -> None:
    assert sent("promoted-widgets")["7:5"] == {"width": 40, "height": 30, "batch_size": 1, "color": 255}


def test_a_dynamic_combo_is_followed_by_the_inputs_of_its_choice() -> None:
    assert sent("dynamic-combo")["2"] == {
        "input": ["1", 0],
        "resize_type": "scale total pixels",
        "resize_type.megapixels": 0.5,
        "scale_method": "area",
    }


def test_a_dynamic_combo_inside_another_is_one_as_well() -> None:
    assert sent("save-video")["3"] == {
        "video": ["2", 0],
        "filename_prefix": "video/p",
        "format": "auto",
        "format.codec": "auto",
        "codec": "auto",
    }


def test_a_widget_behind_the_seed_that_is_newer_than_the_file_has_its_default() -> None:
    assert sent("newer-widget-behind-seed")["2"] == {
        "seed": 5, "steps": 3, "cfg": 2.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
    }  # fmt: skip


def test_older_pages_said_yes_or_no_to_a_new_seed_after_a_run() -> None:
    assert sent("boolean-control")["2"]["steps"] == 3


def test_the_prefix_of_a_result_has_the_date_in_it() -> None:
    assert sent("date-prefix.page")["9"]["filename_prefix"] == "2026-11-25/x"


def test_one_of_the_choices_in_a_text_is_sent_without_the_comments() -> None:
    assert sent("dynamic-prompt")["1"] == {"text": "a red cat "}


def test_what_one_node_sets_another_gets() -> None:
    prompt = sent("set-get-nodes")

    assert set(prompt) == {"1", "9"}
    assert prompt["9"]["images"] == ["1", 0]


def test_a_node_that_only_the_page_knows_is_not_sent() -> None:
    assert set(sent("page-only-node")) == {"1", "9"}


@pytest.mark.parametrize("case", ["definitions-null", "null-link"])
def test_a_null_where_a_list_would_be_is_an_empty_one(case: str) -> None:
    assert sent(case)["9"] == {"images": ["1", 0], "filename_prefix": "p"}


def test_a_number_that_was_saved_as_text_is_sent_as_it_is() -> None:
    assert sent("int-widget-as-text")["1"] == {"width": "64", "height": 64, "batch_size": 1, "color": 255}


def test_an_input_of_several_types_has_the_widget_that_its_definition_names() -> None:
    assert sent("multi-type-widget")["1"] == {"frames_number": 97, "frame_rate": 25, "batch_size": 2}


def test_values_saved_by_name_bring_the_inputs_of_the_chosen_format() -> None:
    inputs = sent("vhs-combine")["2"]

    assert (inputs["crf"], inputs["pix_fmt"], inputs["save_metadata"], inputs["trim_to_audio"]) == (
        8, "yuv420p", True, False,
    )  # fmt: skip
    assert "videopreview" not in inputs


def test_every_lora_of_a_list_is_sent() -> None:
    assert sent("rg-powerlora")["2"]["lora_1"] == {"on": True, "lora": "a.safetensors", "strength": 0.5}
