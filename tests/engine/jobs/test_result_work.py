"""What does not work about a result keeps it waiting; it never raises."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from client.send.folders import LocalFolders
from engine.comfyui import ComfyUIRejected
from engine.files.large_files import LargeFiles
from engine.files.results import ResultFiles
from engine.jobs import commands as do
from engine.jobs.events import CannotNow, Fault, OutputDamaged, OutputSaved, PictureRead, RefetchEnded, Wait
from engine.jobs.refetch import Refetch
from engine.jobs.result_work import ResultWork
from engine.jobs.retry import Retry
from engine.jobs.submissions import Submissions
from engine.jobs.troubles import Troubles
from engine.runpod.endpoint import Endpoint, EndpointRejected
from engine.store.jobs import JobStore
from tests.support.jobs import added
from tests.support.playbook import items
from tests.support.runpod import CONTENT, RunPod, pictures
from wire.errors import Unavailable
from wire.events import NodeOutput, Preview
from wire.job import JobRequest

NAME = "a_00001_.png"
RUN = "run-1"


class Folders(LocalFolders):
    """Folders that raise *problem* when a result comes."""

    problem: Exception | None = None

    async def output_folder(self) -> Path | None:
        if self.problem is not None:
            raise self.problem
        return await super().output_folder()


async def no_sleep(seconds: float) -> None:
    """Of a test that waits for nothing."""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(prompt={}, named={}, inputs=tmp_path, output=tmp_path / "output", comfyui=None)


@pytest.fixture
async def work(folders: Folders, tmp_path: Path) -> AsyncIterator[ResultWork]:
    async with aiohttp.ClientSession() as session:
        with JobStore(tmp_path / "jobs.sqlite") as store:
            prompt_id = added(store, "a")
            large = LargeFiles(session, bucket=None, volume=None)
            files = ResultFiles(folders, tmp_path / "parts", store.files, large)
            retry = Retry(prompt_id, Troubles(lambda *_: None), no_sleep)
            submissions = Submissions(store, retry, lambda: 5)
            yield ResultWork(prompt_id, files, Refetch(prompt_id, files, store.runpod_jobs, submissions, retry))


def output(*, streamed: bool = False) -> NodeOutput:
    """What a worker reports of its first picture."""
    events = pictures(streamed=streamed)(JobRequest(workflow={"1": {}}))
    return next(event for event in events if isinstance(event, NodeOutput))


async def test_an_output_is_saved_under_its_local_name(work: ResultWork, tmp_path: Path) -> None:
    event = await work.save(do.SaveOutput(3, RUN, output(), cached=False))

    assert isinstance(event, OutputSaved)
    assert (event.ticket, event.event.output, event.lost) == (3, items(NAME), ())
    assert (tmp_path / "output" / NAME).read_bytes() == CONTENT[NAME]


@pytest.mark.parametrize(
    ("problem", "fault", "reason"),
    [
        (Unavailable("the disk is full"), Fault.UNAVAILABLE, "the disk is full"),
        (ComfyUIRejected(500, "oops"), Fault.REJECTED, "ComfyUI answered 500: oops"),
        (KeyError("bug"), Fault.BUG, "KeyError: 'bug'"),
        (OSError("nobody expected this"), Fault.BUG, "OSError: nobody expected this"),
    ],
    ids=str,
)
async def test_what_stumbles_keeps_the_output_waiting(
    work: ResultWork, folders: Folders, problem: Exception, fault: Fault, reason: str
) -> None:
    folders.problem = problem
    event = await work.save(do.SaveOutput(3, RUN, output(), cached=False))

    assert event == CannotNow(Wait.SAVE, reason, fault, ticket=3)


async def test_what_did_not_arrive_whole_is_said_and_fetched_again(
    work: ResultWork, endpoint: Endpoint, runpod: RunPod, tmp_path: Path
) -> None:
    runpod.script = pictures(streamed=True)
    lost = output(streamed=True)
    event = await work.save(do.SaveOutput(3, RUN, lost, cached=False))
    assert isinstance(event, OutputDamaged)
    assert event.files == lost.files

    assert await work.fetch_again(do.FetchAgain(3, RUN, event.files), lambda: endpoint) == RefetchEnded(3)
    assert isinstance(await work.save(do.SaveOutput(3, RUN, lost, cached=False)), OutputSaved)
    assert (tmp_path / "output" / NAME).read_bytes() == CONTENT[NAME]


async def test_a_refetch_from_an_endpoint_that_the_settings_lack_waits(work: ResultWork) -> None:
    def missing() -> Endpoint:
        raise EndpointRejected("add it there")

    event = await work.fetch_again(do.FetchAgain(3, RUN, output(streamed=True).files), missing)

    assert isinstance(event, CannotNow)
    assert (event.wait, event.ticket) == (Wait.REFETCH, 3)


async def test_a_picture_that_is_not_whole_is_not_missed(work: ResultWork) -> None:
    picture = Preview(node="1", image_type="image/png", transfer=5)

    assert await work.picture(do.ReadPicture(3, RUN, picture)) == PictureRead(3, None)
