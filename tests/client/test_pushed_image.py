"""The image that was pushed from here last."""

from pathlib import Path

import pytest

from client.pushed_image import NoImage, is_image, pushed_image

DIGEST = "sha256:" + "0a" * 32


def test_the_image_is_named_with_its_digest(tmp_path: Path) -> None:
    record = tmp_path / "pushed-image"
    record.write_text(f"image=ghcr.io/me/worker:v1\ndigest={DIGEST}\n")

    assert pushed_image(record) == f"ghcr.io/me/worker:v1@{DIGEST}"


def test_a_digest_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    record = tmp_path / "pushed-image"
    record.write_text("image=me/worker:v1\ndigest=\n")

    assert pushed_image(record) == "me/worker:v1"


@pytest.mark.parametrize("content", ["", "image=\n", "image=not an image\n", "image=me/w:1\ndigest=abc\n", "\x00" * 50])
def test_a_damaged_note_is_one_sentence(tmp_path: Path, content: str) -> None:
    record = tmp_path / "pushed-image"
    record.write_text(content)

    with pytest.raises(NoImage, match="does not name an image: push one by"):
        pushed_image(record)


def test_without_a_push_the_person_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoImage, match=r"no image was pushed from here: push one by `make build push.*or name one by"):
        pushed_image(tmp_path / "pushed-image")


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("me/worker", True), ("me/worker:1", True), ("localhost:5000/me/worker:v2", True), (f"me/w:1@{DIGEST}", True),
        (f"me/w@{DIGEST}", True), ("", False), ("me/worker:", False), ("Me/worker", False), ("me/w:1 --x", False),
        ("me/w@sha256:1", False), ("-x", False),
    ],
)  # fmt: skip
def test_the_name_of_an_image_is_known(text: str, yes: bool) -> None:
    assert is_image(text) is yes
