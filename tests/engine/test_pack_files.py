"""The data files of custom node packs, in folders made for it."""

import os
from pathlib import Path
from typing import Any

import pytest

from engine.pack_files import PackFiles
from tests.support.files import fill
from wire.packs import PACK_FILES_MAX

INFOS: dict[str, Any] = {"A": {"python_module": "custom_nodes.pack"}, "B": {"python_module": "nodes"}, "C": None}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    data = ["wildcards/a.txt", "data/custom_wildcards/b/c.yaml", "styles/d.csv", "my_styles.csv", "fonts/e.ttf"]
    fill(tmp_path / "custom_nodes" / "pack", [*data, "readme.txt", "nodes.py", ".git/wildcards/x.txt", "a/b.json"])
    fill(tmp_path / "custom_nodes" / "other", ["wildcards/a.txt"])
    return tmp_path


def names(packs: PackFiles, base: Path, endpoint: str = "e", infos: dict[str, Any] = INFOS) -> list[str]:
    return [file.path for file in packs.news_for(endpoint, infos, (base,))]


def test_data_files_of_the_packs_that_a_prompt_uses_are_named(base: Path) -> None:
    assert sorted(names(PackFiles(), base)) == [
        "pack/data/custom_wildcards/b/c.yaml",
        "pack/fonts/e.ttf",
        "pack/my_styles.csv",
        "pack/styles/d.csv",
        "pack/wildcards/a.txt",
    ]


def test_an_endpoint_is_told_once_and_again_after_a_change(base: Path) -> None:
    packs = PackFiles()
    first, again, other = names(packs, base), names(packs, base), names(packs, base, "another")
    (base / "custom_nodes" / "pack" / "wildcards" / "a.txt").write_text("changed, and longer")

    assert first == other
    assert again == []
    assert names(packs, base) == first


@pytest.mark.parametrize(
    "module", ["custom_nodes.", "custom_nodes...", "custom_nodes.../other", "custom_nodes.nowhere"]
)
def test_a_module_that_leads_elsewhere_has_no_files(base: Path, module: str) -> None:
    assert names(PackFiles(), base, infos={"A": {"python_module": module}}) == []


def test_links_are_not_followed_and_large_packs_end(base: Path) -> None:
    wildcards = base / "custom_nodes" / "pack" / "wildcards"
    (wildcards / "link.txt").symlink_to(base / "custom_nodes" / "other" / "wildcards" / "a.txt")
    fill(wildcards / "many", [f"{number}.txt" for number in range(PACK_FILES_MAX)])
    found = names(PackFiles(), base)

    assert len(found) == PACK_FILES_MAX
    assert not any("link" in name for name in found)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_only_ends_the_comparison(base: Path) -> None:
    (base / "custom_nodes" / "pack" / "wildcards" / "a.txt").chmod(0)

    assert names(PackFiles(), base) == []
