"""Files that ComfyUI made, with their workflow inside.

tests/data/embedded was written as ComfyUI 0.33.0 writes results: by Pillow and PyAV, with the same calls.
"""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from client.workflow.embedded import workflows_in

FILES = sorted((Path(__file__).resolve().parents[2] / "data" / "embedded").iterdir())
GRAPH: dict[str, Any] = {"nodes": [], "links": []}
PROMPT = {"1": {"class_type": "X", "inputs": {}}}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_both_forms_are_found_in_what_comfyui_makes(path: Path) -> None:
    graph, prompt = workflows_in(path.read_bytes())

    assert [node["type"] for node in graph["nodes"]] == ["EmptyImage", "PreviewImage"]
    assert graph["extra"] == {"note": "é"}
    assert {node["class_type"] for node in prompt.values()} == {"EmptyImage", "PreviewImage"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_file_that_ends_too_early_holds_less_and_breaks_nothing(path: Path, part: float) -> None:
    data = path.read_bytes()
    graph, _ = workflows_in(data[: int(len(data) * part)])

    assert graph is None or len(graph["nodes"]) == 2


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I4s", len(data), kind) + data + b"crc!" for kind, data in chunks
    )


def glb(**extras: str) -> bytes:
    content = json.dumps({"asset": {"version": "2.0", "extras": extras}}).encode()
    return b"glTF" + struct.pack("<III4s", 2, 20 + len(content), len(content), b"JSON") + content


def test_a_model_and_a_drawing_hold_one_as_well() -> None:
    drawing = f"<svg><metadata><![CDATA[{json.dumps({'workflow': GRAPH})}]]></metadata></svg>"

    assert workflows_in(glb(workflow=json.dumps(GRAPH), prompt=json.dumps(PROMPT))) == (GRAPH, PROMPT)
    assert workflows_in(drawing.encode()) == (GRAPH, None)


def test_a_part_of_a_damaged_workflow_is_not_the_workflow() -> None:
    damaged = json.dumps({"definitions": {"subgraphs": [GRAPH]}, "nodes": []})[:-1]

    assert workflows_in(png((b"tEXt", b"workflow\0" + damaged.encode()))) == (None, None)


def test_numbers_that_json_does_not_have_become_null() -> None:
    text = b'prompt\0{"1": {"class_type": "X", "inputs": {}, "is_changed": [NaN]}}'

    assert workflows_in(png((b"tEXt", text)))[1]["1"]["is_changed"] == [None]


@pytest.mark.parametrize(
    "data",
    [b"", b"RIFF", b"OggS" * 100, b"ID3" + b"\xff" * 20, b"\0\0\0\0ftyp" + b"\0" * 64, png((b"IDAT", b'{"nodes": []}')),
     b"glTF" + b"\xff" * 40, b"fLaC" + b"\x84" * 40, b"\x1aE\xdf\xa3" + b'{"' * 10_000, png((b"zTXt", b"a\0\0xnot"))],
    ids=repr,
)  # fmt: skip
def test_a_file_without_one_holds_none(data: bytes) -> None:
    assert workflows_in(data) == (None, None)
