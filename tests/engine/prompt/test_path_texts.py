"""Which texts are called paths."""

import time
from typing import Any

import pytest

from engine.prompt.path_texts import PathUse, is_of_a_machine, is_on_volume, path_texts

FOLDERS = [["a", "b/c"], {}]
INFOS: dict[str, dict[str, Any] | None] = {
    "Text": {"input": {"required": {"text": ["STRING", {"default": "x/y.png", "multiline": True}]}}},
    "Save": {"output_node": True, "input": {"required": {"filename_prefix": ["STRING", {}], "where": ["STRING", {}]}}},
    "Vhs": {"input": {"required": {"video": ["STRING", {"vhs_path_extensions": ["mp4"]}]}}},
    "VhsFolder": {"input": {"required": {"directory": ["STRING", {"vhs_path_extensions": []}]}}},
    "Folder": {"input": {"required": {"folder": FOLDERS}}},
    "NewFolder": {"input": {"required": {"folder": ["COMBO", {"options": ["a", "b/c"]}]}}},
    "Models": {"input": {"required": {"name": [["a", 5], {}]}}},
    "Number": {"input": {"required": {"value": ["INT", {}]}}},
    "Unknown": None,
}


def uses(kind: str, **inputs: Any) -> list[PathUse]:
    return [text.use for text in path_texts({"1": {"class_type": kind, "inputs": inputs}}, INFOS)]


@pytest.mark.parametrize(
    ("kind", "inputs", "use"),
    [
        ("Text", {"text": "input/a.png"}, PathUse.TEXT),
        ("Text", {"text": ' "input/a.png" '}, PathUse.TEXT),
        ("Text", {"text": {"__value__": "input/a.png"}}, PathUse.TEXT),
        ("Text", {"text": "a.png"}, PathUse.TEXT),
        ("Unknown", {"text": "C:\\a.png"}, PathUse.TEXT),
        ("Vhs", {"video": "a"}, PathUse.MARKED),
        ("VhsFolder", {"directory": "input/a"}, PathUse.MARKED),
        ("Folder", {"folder": "a"}, PathUse.CHOICE),
        ("Folder", {"folder": "a [output]"}, PathUse.CHOICE),
        ("NewFolder", {"folder": "b/c"}, PathUse.CHOICE),
    ],
)
def test_a_text_that_may_be_a_path_is_found(kind: str, inputs: dict[str, Any], use: PathUse) -> None:
    assert uses(kind, **inputs) == [use]


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("Text", {"text": "a cat"}),
        ("Text", {"text": ""}),
        ("Text", {"text": "one/two\nthree"}),
        ("Text", {"text": "a/\0"}),
        ("Text", {"text": "a/" + "x" * 5000}),
        ("Text", {"text": "https://example.com/a.png"}),
        ("Text", {"text": ["2", 0]}),
        ("Text", {"text": {"lora": "a/b.safetensors"}}),
        ("Vhs", {"video": "https://example.com/a.mp4"}),
        ("Models", {"name": "a"}),
        ("Number", {"value": 5}),
    ],
)
def test_other_values_are_left_alone(kind: str, inputs: dict[str, Any]) -> None:
    assert uses(kind, **inputs) == []


@pytest.mark.parametrize(
    "text",
    [
        "/home/me/a.png", "/mnt/d", "/home/me/my pictures/a b.png", "/Users/me/x", "/Volumes/x/y", "/tmp/x", "~/x",
        "~me/x.png", "C:\\a.png", "d:/a b/c", "\\\\server\\share", "file:///home/me/a.png",
        "/somewhere/x/a.safetensors", "/root/ComfyUI/models/x", "C:\\Users\\me\\folder",
    ],
)  # fmt: skip
def test_an_absolute_path_is_one_of_a_machine(text: str) -> None:
    assert is_of_a_machine(text)


@pytest.mark.parametrize(
    "text",
    [
        "/imagine a cat", "/imagine a cat and/or a dog", "/", "//", "/home", "and/or", "1/2", "a.png", "input/a.png",
        "/v1/chat/completions", "/api/view?filename=a.mp3&type=input", "/view?x=1&filename=a.png", "~", "~ 5", "a: b",
        "X://insert/path/here.mp4", "^/home/.*\\.png$", "\\d+\\w", "\\\\d", "<lora:styles/x:0.8>", "video/ComfyUI",
        "/s", "// a comment", "r/comfyui", "4:3", "a:\\", ":/", "sub\\model.safetensors", "https://example.com/a.png",
        "%date:yyyy%/x", "16:9/4k", "__animals/cat__", "{red|blue}/x", "24/7", "/no_think", "/think /no_think",
    ],
)  # fmt: skip
def test_a_text_with_slashes_is_not_therefore_one_of_a_machine(text: str) -> None:
    assert not is_of_a_machine(text)


def test_what_a_node_makes_differs_from_what_it_reads() -> None:
    prompt = {"1": {"class_type": "Save", "inputs": {"filename_prefix": "video/x", "where": "a/b"}}}
    prefix, where = path_texts(prompt, INFOS)

    assert (prefix.writes, prefix.saves) == (True, True)
    assert (where.writes, where.saves) == (False, True)


def test_a_text_that_nobody_has_changed_is_known_as_the_default() -> None:
    prompt = {str(text): {"class_type": "Text", "inputs": {"text": text}} for text in ("x/y.png", "x/z.png")}

    assert [text.is_default for text in path_texts(prompt, INFOS)] == [True, False]


def test_a_prompt_of_two_thousand_nodes_is_looked_through_within_milliseconds() -> None:
    infos = {"Lora": {"input": {"required": {"name": [[f"{n}.safetensors" for n in range(5000)], {}]}}}}
    prompt = {str(node): {"class_type": "Lora", "inputs": {"name": f"{node}.safetensors"}} for node in range(2000)}
    begun = time.process_time()
    found = list(path_texts(prompt, infos))

    assert len(found) == 2000
    assert time.process_time() - begun < 0.5  # 10 ms on a machine that does nothing else


def test_the_volume_is_the_workers_own() -> None:
    assert is_on_volume("/runpod-volume/a.png")
    assert is_on_volume("/workspace")
    assert not is_on_volume("/workspaces/a.png")
    assert not is_on_volume("/runpod-volume/../etc/passwd")
