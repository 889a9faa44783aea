"""What the scripts of packs do to their nodes."""

from client.workflow.definition import input_spec
from client.workflow.node import PageNode
from client.workflow.packs import is_of_a_pack, names_of_format, power_loras
from client.workflow.widgets import Widget

ROW = {"on": True, "lora": "a", "strength": 0.5, "strengthTwo": None}


def test_the_chosen_format_names_its_inputs() -> None:
    spec = input_spec("format", [["a", "b"], {"formats": {"a": [["crf", "INT"], ["pix_fmt", ["x"]]]}}])
    node = PageNode("1", "VHS_VideoCombine", widgets=[Widget("format", "COMBO", "a", spec=spec)])

    assert list(names_of_format(node)) == ["crf", "pix_fmt"]
    node.widgets[0].value = "b"
    assert list(names_of_format(node)) == []


def test_buttons_and_previews_are_known_by_their_names() -> None:
    assert [name for name in ("videopreview", "choose video to upload", "crf") if is_of_a_pack(name)] == [
        "videopreview", "choose video to upload",
    ]  # fmt: skip


def test_each_row_of_the_loader_is_a_lora() -> None:
    rows = power_loras(PageNode("1", "X"), [{}, {"type": "header"}, ROW, {**ROW, "lora": "b"}, ""])

    assert [(row.name, row.value["lora"]) for row in rows] == [("lora_1", "a"), ("lora_2", "b")]


def test_a_second_strength_is_sent_where_the_node_shows_it() -> None:
    apart = PageNode("1", "X", properties={"Show Strengths": "Separate Model & Clip"})

    assert "strengthTwo" not in power_loras(PageNode("1", "X"), [ROW])[0].value
    assert power_loras(apart, [ROW])[0].value["strengthTwo"] == 1
