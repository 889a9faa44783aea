"""What ComfyUI says of a class, as the page reads it."""

from client.workflow.definition import input_spec, output_types, page_inputs


def names(kind: str, info: object) -> list[str]:
    return [spec.name for spec in page_inputs(kind, info)]  # type: ignore[arg-type]


def test_a_list_of_choices_is_a_combo() -> None:
    spec = input_spec("name", [["a", "b"], {"default": "b"}])

    assert (spec.kind, spec.choices, spec.options["default"]) == ("COMBO", ["a", "b"], "b")


def test_a_union_names_the_kind_of_its_widget_apart() -> None:
    assert input_spec("rate", ["FLOAT,INT", {"widgetType": "FLOAT"}]).widget_kind == "FLOAT"
    assert input_spec("rate", ["FLOAT,INT"]).widget_kind == "FLOAT,INT"


def test_required_inputs_come_first_each_group_in_the_order_that_the_definition_names() -> None:
    inputs = {"optional": {"o": ["INT"]}, "required": {"b": ["INT"], "a": ["INT"], "c": ["INT"]}}

    assert names("X", {"input": inputs}) == ["b", "a", "c", "o"]
    assert names("X", {"input": inputs, "input_order": {"required": ["a", "b"], "optional": ["o"]}}) == [
        "a", "b", "o", "c",
    ]  # fmt: skip


def test_the_page_adds_a_button_for_files_and_a_player_for_sounds() -> None:
    picture = {"input": {"required": {"image": [["a.png"], {"image_upload": True}]}}}
    sound = {"input": {"required": {"audio": ["COMBO", {"audio_upload": True}]}}}

    assert names("LoadImage", picture) == ["image", "upload"]
    assert names("LoadAudio", sound) == ["audio", "audioUI", "upload"]


def test_an_output_that_follows_an_input_has_any_type() -> None:
    assert output_types({"output": ["COMFY_MATCHTYPE_V3", "INT", ["a", "b"]]}) == ["*", "INT", "COMBO"]
    assert output_types({}) == []
