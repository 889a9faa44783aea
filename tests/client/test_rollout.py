"""A rollout against a server that takes what RunPod's published schemas allow: it shows, asks, and then writes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from client.deployment import DEFAULTS, ChoiceRefused, EndpointChoices
from client.gpu_catalog import read_pools
from client.rest_api import RestApi
from client.rollout import LossRefused, Rollout
from tests.support.rest_api import GPUS, KEY, RestApiServer, rest_api_server

NEW = replace(DEFAULTS, image="me/worker:1", volume="vol1", datacenter="EU-RO-1")


@dataclass
class Bed:
    server: RestApiServer
    lines: list[str] = field(default_factory=list)
    asked: int = 0
    answer: bool = True
    shipped: list[tuple[str, str]] = field(default_factory=list)

    def _agreed(self) -> bool:
        self.asked += 1
        return self.answer

    def _rollout(self, *, dry_run: bool) -> Rollout:
        api = RestApi(self.server.url, KEY)
        return Rollout(
            *(api, read_pools(GPUS), self.lines.append, self._agreed, dry_run),
            lambda image, endpoint_id: self.shipped.append((image, endpoint_id)),
        )

    async def create(
        self, chosen: EndpointChoices = NEW, template: dict[str, Any] | None = None, *, dry: bool = False
    ) -> None:
        await asyncio.to_thread(self._rollout(dry_run=dry).create, "n", chosen, template)

    async def update(self, chosen: EndpointChoices, *, dry: bool = False) -> None:
        self.lines.clear()
        self.server.writes.clear()
        templates = self.server.kept["templates"]
        await asyncio.to_thread(
            self._rollout(dry_run=dry).update, chosen, templates[0] if templates else None, self.endpoint
        )

    @property
    def endpoint(self) -> dict[str, Any]:
        (endpoint,) = self.server.kept["serverless"]
        return endpoint


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    async with rest_api_server() as server:
        yield Bed(server)


async def test_a_template_and_an_endpoint_are_made(bed: Bed) -> None:
    await bed.create()

    assert [kind for _, kind, _ in bed.server.writes] == ["templates", "serverless"]
    assert bed.lines == [
        "GPU ADA_24 (RTX 4090; 24 GB; $1.10/h)",
        "templates n (templates-1): created",
        "serverless n (serverless-1): created",
        "template templates-1",
        "RUNPOD_ENDPOINT_ID=serverless-1",
    ]


async def test_a_template_of_an_attempt_that_failed_is_used(bed: Bed) -> None:
    await bed.create()
    template = bed.server.kept["templates"][0]
    bed.server.kept["serverless"].clear()
    bed.server.writes.clear()
    await bed.create(replace(NEW, image="me/worker:2"), template)

    assert [(method, kind) for method, kind, _ in bed.server.writes] == [("PATCH", "templates"), ("POST", "serverless")]
    assert template["image"] == "me/worker:2"


async def test_a_dry_run_of_a_new_endpoint_shows_both_requests(bed: Bed) -> None:
    await bed.create(replace(NEW, env={"TOKEN": "very-secret"}), dry=True)

    shown = "\n".join(bed.lines)
    assert bed.server.writes == []
    assert f"POST {bed.server.url}/templates" in shown
    assert f"POST {bed.server.url}/serverless" in shown
    assert "very-secret" not in shown


async def test_only_what_was_named_changes_of_an_endpoint_that_was_changed_in_the_console(bed: Bed) -> None:
    await bed.create()
    bed.endpoint.update(env={"IN_CONSOLE": "1"}, networkVolumes=["vol1", "vol2"], timeout=7_200_000)
    bed.endpoint["workers"] = {"min": 0, "max": 9, "idleTimeout": 30}
    before = {**bed.endpoint, "workers": dict(bed.endpoint["workers"])}
    await bed.update(EndpointChoices(max_workers=10))

    assert bed.endpoint == {**before, "workers": {"min": 0, "max": 10, "idleTimeout": 30}}
    assert [set(body) for _, _, body in bed.server.writes] == [{"workers"}]
    assert "  workers.max: 9 → 10" in bed.lines
    assert bed.asked == 0


async def test_nothing_is_taken_away_without_being_agreed_to(bed: Bed) -> None:
    await bed.create()
    bed.answer = False

    with pytest.raises(LossRefused, match="nothing was changed"):
        await bed.update(EndpointChoices(image="me/worker:2", volume="vol2"))

    assert "  TAKES AWAY: the network volume vol1 is detached" in bed.lines
    assert (bed.asked, bed.server.writes) == (1, [])


async def test_what_was_agreed_to_is_taken_away(bed: Bed) -> None:
    await bed.create()
    await bed.update(EndpointChoices(volume=""))

    assert bed.endpoint["networkVolumes"] == []
    assert bed.asked == 1


async def test_a_dry_run_of_a_change_shows_the_difference_and_asks_nothing(bed: Bed) -> None:
    await bed.create()
    await bed.update(EndpointChoices(volume="", max_workers=5), dry=True)

    assert bed.lines == [
        "GPU ADA_24 (RTX 4090; 24 GB; $1.10/h)",
        "serverless n (serverless-1): would change",
        "  workers.max: 3 → 5",
        "  networkVolumes: vol1 → none",
        "  TAKES AWAY: the network volume vol1 is detached",
        "templates n (templates-1): is as it should be",
    ]
    assert (bed.asked, bed.server.writes) == (0, [])


async def test_a_template_that_is_missing_is_not_made_again(bed: Bed) -> None:
    await bed.create()
    bed.server.kept["templates"].clear()
    await bed.update(EndpointChoices(image="me/worker:2"))

    assert [kind for _, kind, _ in bed.server.writes] == ["serverless"]
    assert bed.lines[-1] == "RUNPOD_ENDPOINT_ID=serverless-1"


async def test_workers_that_always_run_are_shown_with_their_price_a_day(bed: Bed) -> None:
    await bed.create(replace(NEW, min_workers=2))

    assert "2 of the workers always run: $52.80 a day, with or without jobs" in bed.lines


async def test_a_pool_that_the_datacenter_does_not_have_is_named(bed: Bed) -> None:
    await bed.create(replace(NEW, gpu_pool=("HOPPER_141",)))

    assert "  RunPod does not have it in EU-RO-1 now: workers cannot start there" in bed.lines


async def test_a_change_that_makes_no_sense_is_refused_before_anything_is_written(bed: Bed) -> None:
    await bed.create()

    with pytest.raises(ChoiceRefused, match="--min-workers 4 is more than --max-workers 3"):
        await bed.update(EndpointChoices(min_workers=4))

    assert bed.server.writes == []
