"""Both ends are compared wholly, in a few lines that tell what to do."""

from collections.abc import Mapping
from typing import Any

import pytest

from client.doctor.both_ends import LocalComfyUI, differences, nothing_known, told
from engine.catalog.catalogs import KnownCatalog, Source
from wire.catalog import Catalog, Pack

NODE = {"input": {"required": {"a": ["INT"]}}, "output": ["IMAGE"]}


def here(**more: Any) -> LocalComfyUI:
    usual: Mapping[str, Any] = {"version": "0.8.0", "frontend": "1.35.9", "packs": (), "infos": {}, "models": {}}
    return LocalComfyUI(**{**usual, **more})


def known(source: Source = "worker", **more: Any) -> KnownCatalog:
    return KnownCatalog("ep", Catalog(**{"comfyui": "0.33.0", "frontend": "1.49.6", **more}), "a" * 64, 0, source)


def lines(local: LocalComfyUI, endpoint: KnownCatalog) -> dict[str, tuple[str, str]]:
    return {finding.name: (finding.detail, finding.mend) for finding in differences(local, endpoint)}


def test_versions_are_told_side_by_side() -> None:
    detail, mend = lines(here(), known())["versions"]

    assert detail == "ComfyUI 0.8.0 here, 0.33.0 there; frontend 1.35.9 here, 1.49.6 there"
    assert mend
    assert lines(here(version="0.33.0"), known())["versions"][1] == ""


def test_packs_differ_by_commit_and_else_by_version() -> None:
    mine = [
        Pack(name="a", commit="1" * 40, version="1"),
        Pack(name="b", version="1"),
        Pack(name="c", commit="1" * 40),
        Pack(name="d"),
    ]
    theirs = (
        Pack(name="a", commit="2" * 40, version="1"),
        Pack(name="b", version="2"),
        Pack(name="c", version="2"),
        Pack(name="e"),
    )
    detail, mend = lines(here(packs=mine), known(packs=theirs))["packs"]

    assert detail == (
        "1 only here: d; 1 only there: e; 2 with another version: a (1111111 here, 2222222 there), b (1 here, 2 there)"
    )
    assert "build.sh" in mend
    assert lines(here(packs=mine), known(packs=mine))["packs"] == ("the same 4 on both ends", "")


def test_classes_that_differ_are_named_and_the_rest_is_counted() -> None:
    mine = {f"Mine{number}": NODE for number in range(6)} | {"Both": NODE, "Same": NODE}
    theirs = {"Both": NODE | {"output": ["MASK"]}, "Same": NODE, "Theirs": NODE}
    detail, _ = lines(here(infos=mine), known(nodes=theirs))["classes"]

    assert detail == (
        "6 only here: Mine0, Mine1, Mine2, Mine3 and 2 more; 1 only there: Theirs; 1 with other inputs or outputs: Both"
    )


def test_models_that_are_only_here_are_told_with_their_size() -> None:
    models = {"vae": {"a.pt": 1_500_000_000, "b.pt": None}, "loras": {"c.pt": 1}}
    endpoint = known(models={"vae": {"b.pt": 1}, "loras": {"c.pt": 1}})

    assert lines(here(models=models), endpoint)["models"][0] == "1 only here: vae/a.pt; together 1.5 GB"
    assert lines(here(models={}), endpoint)["models"][0] == "all are there, where 2 are known"


def test_of_a_volume_that_was_only_listed_only_models_are_compared() -> None:
    assert set(lines(here(), known("volume"))) == {"models"}


@pytest.mark.parametrize(
    ("now_ms", "age"), [(5_000, "5 seconds"), (300_000, "5 minutes"), (8_000_000, "2 hours"), (864_000_000, "10 days")]
)
def test_it_is_told_how_old_it_is(now_ms: int, age: str) -> None:
    finding = told(known(), now_ms)

    assert finding.detail == f"ep: as a worker told, {age} ago"
    assert bool(finding.mend) is (age == "10 days")


def test_what_another_machine_says_does_not_steer_the_terminal() -> None:
    hostile = known(comfyui="\x1b[2J" + "x" * 290, packs=(Pack(name="\x1b]0;title\x07"),), nodes={"a\nb": NODE})
    text = "".join(detail for detail, _ in lines(here(), hostile).values())

    assert text.isprintable()
    assert len(text) < 1_000


def test_nothing_known_says_what_to_do() -> None:
    assert "run a prompt" in nothing_known("http://127.0.0.1:8189/runpod/").mend
