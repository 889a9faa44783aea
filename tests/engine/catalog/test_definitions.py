"""Which definitions judge a prompt: those of the endpoint where it has the class, and for how long they may refuse."""

from typing import Any

import pytest

from engine.catalog.catalogs import Catalogs
from engine.catalog.definitions import FRESH_MS, Definitions
from tests.support.catalogs import LOCAL, endpoint


class Here:
    """This machine's ComfyUI, which counts what it is asked."""

    def __init__(self) -> None:
        self.asked_for_version = 0

    async def info(self, class_type: str) -> dict[str, Any] | None:
        return LOCAL.get(class_type)

    async def version(self) -> str | None:
        self.asked_for_version += 1
        return "0.8.0"


async def test_while_nothing_is_known_of_the_endpoint_this_machines_definitions_count() -> None:
    here = Here()
    found = await Definitions(here.info, Catalogs(["e"], lambda: 0), lambda: 0, here.version).sides(
        {"KSampler", "OnlyThere"}
    )

    assert found.infos == {"KSampler": LOCAL["KSampler"], "OnlyThere": None}
    assert (found.is_current, here.asked_for_version) == (False, 0)


@pytest.mark.parametrize(("age_ms", "is_current"), [(0, True), (FRESH_MS, True), (FRESH_MS + 1, False)])
async def test_a_catalog_refuses_for_a_day_after_a_worker_confirmed_it(age_ms: int, is_current: bool) -> None:
    catalogs = Catalogs(["e"], lambda: 1_000)
    catalogs.received("e", endpoint(), "sha")
    found = await Definitions(Here().info, catalogs, lambda: 1_000 + age_ms).sides({"OnlyThere"})

    assert (found.infos["OnlyThere"] or {})["python_module"] == "custom_nodes.pack"
    assert found.is_current is is_current


async def test_this_machine_is_asked_for_its_version_only_when_the_two_differ() -> None:
    here, catalogs = Here(), Catalogs(["e"], lambda: 0)
    catalogs.received("e", endpoint(), "sha")
    definitions = Definitions(here.info, catalogs, lambda: 0, here.version)
    same = await definitions.sides({"SaveLatent"})
    differing = await definitions.sides({"CheckpointLoaderSimple"})

    assert (same.local_version, differing.local_version, here.asked_for_version) == ("", "0.8.0", 1)


async def test_a_definition_of_an_impossible_shape_does_not_count() -> None:
    catalogs = Catalogs(["e"], lambda: 0)
    catalogs.received("e", endpoint(nodes={"KSampler": {"input": ["odd"]}, "New": {"output": 5}}), "sha")
    infos = (await Definitions(Here().info, catalogs, lambda: 0).sides({"KSampler", "New"})).infos

    assert infos == {"KSampler": LOCAL["KSampler"], "New": None}


async def test_a_comfyui_that_only_stands_in_is_not_compared_with_the_endpoint() -> None:
    here, catalogs = Here(), Catalogs(["e"], lambda: 0)
    catalogs.received("e", endpoint(), "sha")
    found = await Definitions(here.info, catalogs, lambda: 0, here.version, stand_in=True).sides({"KSampler"})

    assert (found.local, here.asked_for_version) == ({"KSampler": None}, 0)
    assert found.infos["KSampler"] is not None
