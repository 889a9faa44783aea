"""The models that a person wants to be fetched: kept over restarts, and carried by the prompts that name them."""

from pathlib import Path

import pytest

from engine.catalog.approved_models import ApprovedModel, ApprovedModels
from engine.catalog.catalogs import Catalogs
from tests.support.catalogs import endpoint, sampled
from wire.catalog import Catalog

URL = "https://huggingface.co/a/b/resolve/main/x.pt"
MODEL = ApprovedModel(kind="checkpoints", name="x.pt", url=URL, size=7, sha256="a" * 64)


def approved(folder: Path, known: Catalog | None = None) -> ApprovedModels:
    catalogs = Catalogs(["e"], lambda: 0)
    if known is not None:
        catalogs.received("e", known, "sha")
    return ApprovedModels(folder / "home" / "approved.json", catalogs, lambda: 5)


async def test_a_yes_survives_a_restart_with_host_size_and_time(tmp_path: Path) -> None:
    await approved(tmp_path).approve([MODEL])
    again = approved(tmp_path)
    (path,) = (tmp_path / "home").iterdir()

    assert {kind: set(names) for kind, names in again.on_their_way().items()} == {"checkpoints": {"x.pt"}}
    assert again.wanted(sampled("x.pt"), "e")[0].size == 7
    assert '"approved_ms": 5' in path.read_text()
    assert (MODEL.host, path.stat().st_mode & 0o077) == ("huggingface.co", 0)


async def test_only_a_prompt_that_names_the_model_carries_it(tmp_path: Path) -> None:
    models = approved(tmp_path, endpoint())
    await models.approve([MODEL, MODEL.model_copy(update={"kind": "loras", "name": "y.pt"})])
    (carried,) = models.wanted(sampled("x.pt"), "e")

    assert (carried.source, carried.folder, carried.filename) == (URL, "checkpoints", "x.pt")
    assert (carried.size, carried.sha256) == (7, "a" * 64)
    assert models.wanted(sampled("there.safetensors"), "e") == ()


async def test_a_worker_that_has_the_model_keeps_its_own_and_a_fresh_one_fetches_it(tmp_path: Path) -> None:
    there = {"models": {"checkpoints": {"x.pt": 99}}, "on_volume": {"checkpoints": ["x.pt"]}}
    models = approved(tmp_path, endpoint(**there))
    await models.approve([MODEL])

    assert [model.size for model in models.wanted(sampled("x.pt"), "e")] == [None]


async def test_what_the_image_has_is_not_fetched_a_second_time(tmp_path: Path) -> None:
    models = approved(tmp_path, endpoint(models={"checkpoints": {"x.pt": 7}}))
    await models.approve([MODEL])

    assert models.wanted(sampled("x.pt"), "e") == ()


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[[[", b'[{"kind": 5}]', b'[{"kind": "x", "name": "../../y", "url": "https://a.example/"}]'],
)
async def test_a_broken_file_only_means_that_a_person_is_asked_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "approved.json").write_bytes(content)
    models = approved(tmp_path)
    before = models.on_their_way()
    await models.approve([MODEL])

    assert (before, list(approved(tmp_path).on_their_way())) == ({}, ["checkpoints"])


async def test_a_second_yes_replaces_the_first(tmp_path: Path) -> None:
    models = approved(tmp_path)
    await models.approve([MODEL])
    await models.approve([MODEL.model_copy(update={"url": f"{URL}?v=2"})])

    assert [model.source for model in models.wanted(sampled("x.pt"), "e")] == [f"{URL}?v=2"]


async def test_a_model_that_has_not_come_within_a_day_is_asked_for_again(tmp_path: Path) -> None:
    now = [0]
    models = ApprovedModels(tmp_path / "approved.json", Catalogs(["e"], lambda: 0), lambda: now[0])
    await models.approve([MODEL])
    now[0] = 24 * 3_600_000 + 1

    assert models.on_their_way() == {}
    assert len(models.wanted(sampled("x.pt"), "e")) == 1
