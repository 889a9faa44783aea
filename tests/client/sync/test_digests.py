"""A large file is read once, and again only when it has changed."""

import hashlib
import os
from pathlib import Path

from client.sync.digests import Digests
from client.sync.models import Model, find_models


def model(folder: Path, content: bytes, name: str = "a.safetensors") -> Model:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return next(found for found in find_models(folder, (), (), ()).models if found.name == name)


def read(digests: Digests, item: Model) -> tuple[str, int]:
    """The digest, and how many bytes were read for it."""
    counts = list[int]()
    return digests.content(item, counts.append).sha256, sum(counts)


def test_a_file_is_read_once_also_by_another_process(tmp_path: Path) -> None:
    item, path = model(tmp_path / "models", b"x" * 5000), tmp_path / "home" / "digests.jsonl"
    sha256 = hashlib.sha256(b"x" * 5000).hexdigest()
    digests = Digests(path)

    assert [read(digests, item), read(digests, item), read(Digests(path), item)] == [
        (sha256, 5000),
        (sha256, 0),
        (sha256, 0),
    ]


def test_another_size_or_time_is_another_content(tmp_path: Path) -> None:
    digests = Digests(tmp_path / "digests.jsonl")
    first = read(digests, model(tmp_path / "models", b"one"))
    longer = read(digests, model(tmp_path / "models", b"three"))
    path = tmp_path / "models" / "a.safetensors"
    path.write_bytes(b"seven")
    os.utime(path, ns=(1, 1))
    touched = read(digests, find_models(tmp_path / "models", (), (), ()).models[0])

    assert [first[1], longer[1], touched[1]] == [3, 5, 5]
    assert touched[0] == hashlib.sha256(b"seven").hexdigest()


def test_a_line_that_a_kill_cut_short_costs_only_that_file(tmp_path: Path) -> None:
    path = tmp_path / "digests.jsonl"
    one, two = (model(tmp_path / "models", name.encode(), name) for name in ("one.pt", "two.pt"))
    for item in (one, two):
        Digests(path).content(item)
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: len(text) - 20], encoding="utf-8")
    digests = Digests(path)

    assert [read(digests, item)[1] for item in (one, two)] == [0, 6]
