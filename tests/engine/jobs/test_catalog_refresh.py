"""An endpoint is asked what it has only when a person wants it: one job, recorded, with an estimate before it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import Catalogs
from engine.catalog.intake import CatalogIntake
from engine.jobs.catalog_refresh import JOB, CatalogRefresh, Estimate
from engine.store.runpod_jobs import SentState
from tests.support.engine import Engine, engine
from tests.support.runpod import Answer, RunPod, Told, endpoint_of, serving
from tests.support.until import until
from wire.catalog import Catalog, encode_catalog
from wire.events import CatalogPiece, CatalogTold, FilesCollected, WorkerFailed
from wire.files import encode_bytes
from wire.job import JobRequest

CATALOG = Catalog(comfyui="0.33.0")
PACKED, SHA256 = encode_catalog(CATALOG)


def telling(request: JobRequest) -> Sequence[Told]:
    told: list[Told] = [CatalogTold(sha256=SHA256)]
    if request.catalog != SHA256:
        told.append(CatalogPiece(sha256=SHA256, number=0, count=1, data=encode_bytes(PACKED)))
    return [*told, FilesCollected(sha256=())]


def refusing(_: JobRequest) -> Sequence[Told]:
    return [WorkerFailed(error_type="bad_request", message="`input.workflow` must be a prompt.")]


@asynccontextmanager
async def refreshing(
    home: Path, runpod: RunPod, price: float | None = None
) -> AsyncIterator[tuple[Engine, Catalogs, CatalogRefresh]]:
    async with endpoint_of(runpod) as endpoint, engine(home, [endpoint]) as one:
        catalogs = Catalogs(("ep",), one.clock.now_ms)
        intake = CatalogIntake(catalogs, CatalogFiles(home / "catalogs"))
        services = replace(one.services, catalogs=intake)
        refresh = CatalogRefresh([endpoint], services, one.dispatcher.stop_unwanted, price)
        tasks = [asyncio.create_task(work) for work in (intake.run(), refresh.run())]
        try:
            yield one, catalogs, refresh
        finally:
            for task in tasks:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)


async def notices(one: Engine, count: int = 1) -> list[tuple[str, str, str]]:
    async def told() -> bool:
        return len(one.heard.notices) >= count

    await until(told)
    return one.heard.notices


def sent(one: Engine) -> list[SentState]:
    return [job.state for job in one.store.runpod_jobs.of(JOB)]


async def test_the_endpoint_is_asked_once_and_tells(tmp_path: Path) -> None:
    async with serving(RunPod(telling)) as runpod, refreshing(tmp_path, runpod) as (one, catalogs, refresh):
        runpod.holds_refetches = True
        started = [refresh.start(), refresh.start()]

        async def asked() -> bool:
            return len(runpod.jobs) == 1

        await until(asked)
        started.append(refresh.start())
        runpod.finish()
        told = await notices(one)

        async def known() -> bool:
            return catalogs.current() is not None

        await until(known)
        states = sent(one)

    assert started == [True, False, False]
    assert (told[0][0], told[0][1]) == ("info", "The endpoint has told what it has")
    assert [job.request.catalog for job in runpod.jobs.values()] == [""]
    assert states == [SentState.ENDED]
    assert (catalogs.current() or catalogs.of("")).catalog == CATALOG  # type: ignore[union-attr]


async def test_an_older_worker_refuses_and_the_person_learns_what_to_do(tmp_path: Path) -> None:
    async with serving(RunPod(refusing)) as runpod, refreshing(tmp_path, runpod) as (one, catalogs, refresh):
        refresh.start()
        told = await notices(one)

        async def over() -> bool:
            return not refresh.is_asking

        await until(over)

    assert refresh.problem == told[0][2]
    assert told[0][0] == "warn"
    assert told[0][2].startswith("`input.workflow` must be a prompt. Deploy the image of this version")
    assert catalogs.current() is None


@pytest.mark.parametrize(
    ("answer", "state"),
    [(Answer(401), SentState.NOT_ACCEPTED), (Answer(500), SentState.UNCERTAIN)],
    ids=["refused", "nobody knows"],
)
async def test_a_job_that_was_not_accepted_is_not_sent_again(tmp_path: Path, answer: Answer, state: SentState) -> None:
    async with serving(RunPod(telling)) as runpod, refreshing(tmp_path, runpod) as (one, _, refresh):
        runpod.spoil("run", answer)
        refresh.start()
        told = await notices(one)
        states = sent(one)

    assert (told[0][0], states, runpod.jobs) == ("warn", [state], {})


async def test_it_is_stopped_at_runpod_when_the_person_stops_it(tmp_path: Path) -> None:
    async with serving(RunPod(telling)) as runpod, refreshing(tmp_path, runpod) as (one, _, refresh):
        runpod.holds = True
        idle = refresh.cancel()
        refresh.start()

        async def open_there() -> bool:
            return sent(one) == [SentState.OPEN]

        await until(open_there)
        cancelled = refresh.cancel()
        await one.stopped_everything()

        async def stopped() -> bool:
            return sent(one) == [SentState.ENDED]

        await until(stopped)

    assert (idle, cancelled) == (False, True)
    assert runpod.running == []


async def test_a_job_of_before_a_restart_is_stopped(tmp_path: Path) -> None:
    async with serving(RunPod(telling)) as runpod:
        runpod.holds = True
        async with refreshing(tmp_path, runpod) as (one, _, refresh):
            refresh.start()

            async def open_there() -> bool:
                return sent(one) == [SentState.OPEN]

            await until(open_there)
        async with refreshing(tmp_path, runpod) as (one, _, _):

            async def stopped() -> bool:
                return sent(one) == [SentState.ENDED]

            await until(stopped)

    assert runpod.running == []


async def test_the_price_is_told_before(tmp_path: Path) -> None:
    async with serving(RunPod(telling)) as runpod, refreshing(tmp_path, runpod, price=0.72) as (_, _, refresh):
        ready = await refresh.estimate()
        runpod.spoil("health", Answer(500))
        cold = await refresh.estimate()

    assert (ready.starts_worker, ready.seconds) == (False, 10)
    assert ready.cost_usd == pytest.approx(0.002)
    assert cold.starts_worker
    assert cold.text == (
        "Starts a worker to ask what the endpoint has: about 70 seconds, which is an estimate. It costs about $0.014."
    )
    assert runpod.jobs == {}


@pytest.mark.parametrize(
    ("cost", "says"), [(None, "Set RUNPOD_PRICE_PER_HOUR"), (0.0, "costs nothing"), (0.0138, "about $0.014")]
)
def test_a_price_that_is_not_known_is_not_made_up(cost: float | None, says: str) -> None:
    assert says in Estimate(70, starts_worker=True, cost_usd=cost).text
