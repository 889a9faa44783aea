"""What the answers of real packs name."""

import json

import pytest

from proxy.letter_texts import texts_of, texts_of_letter

BOUNDARY = "----WebKitFormBoundaryAbC123"
GRAPH = "5f3b7e0a-1111-4222-8333-444455556666"


def form(**fields: str) -> tuple[str, bytes]:
    """As a browser sends a FormData."""
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return f"multipart/form-data; boundary={BOUNDARY}", f"{parts}--{BOUNDARY}--\r\n".encode()


def test_an_image_picker_names_the_node() -> None:
    found = texts_of_letter("/image_chooser_message", *form(message="0,-1", id="5"))

    assert {"5", "0,-1", "image_chooser_message"} <= found


def test_an_image_filter_names_the_graph() -> None:
    answer = json.dumps({"graph_id": GRAPH, "selection": ["0"], "extras": ["é"]})

    assert {GRAPH, "0", "é"} <= texts_of_letter("/cg-image-filter-message", *form(response=answer))


@pytest.mark.parametrize("kind", ["application/json", "text/plain;charset=UTF-8", ""])
def test_a_chooser_that_posts_json_names_the_node_whatever_type_it_says(kind: str) -> None:
    body = json.dumps({"node_id": "12", "action": "select", "selected": [0, 3], "ok": True}).encode()

    assert texts_of_letter("/easyuse/image_chooser_message", kind, body) >= {"12", "select", "0", "3"}


def test_path_and_query_count_too() -> None:
    found = texts_of_letter("/pause/continue/7%3A2?graph=g%20h", "application/x-www-form-urlencoded", b"node=9")

    assert {"7:2", "g h", "9"} <= found


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"\xff\xfe"),
        ("application/json", b"[" * 100_000),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=", b"--x"),
        (f"multipart/form-data; boundary={BOUNDARY}", b"--x"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 1000)),
        ("multipart/form-data; boundary=\u00e4", b""),
        ("image/png", b"\x89PNG"),
    ],
)
def test_a_body_that_cannot_be_read_names_nothing_more(kind: str, body: bytes) -> None:
    assert "x" in texts_of_letter("/x", kind, body)


def test_a_file_in_a_form_is_not_a_name() -> None:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n5\r\n--{BOUNDARY}--\r\n'

    assert texts_of_letter("/x", f"multipart/form-data; boundary={BOUNDARY}", head.encode()) == {"x"}


def test_long_texts_and_truths_are_not_names() -> None:
    assert texts_of({"a": "x" * 201, "b": [True, None, 1.5, 7, "y"]}) == {"7", "y"}
    assert len(texts_of(list(range(10_000)))) == 2_000
