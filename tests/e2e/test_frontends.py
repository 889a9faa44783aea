"""What the frontends that people have show for a remote run: the same as for a local one."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import APIResponse, Browser, BrowserContext, Route

from tests.e2e.conftest import FAILED
from tests.support.browser import chromium, opened_context, opened_tab
from tests.support.comfyui import comfyui_process
from tests.support.frontend import Frontend
from tests.support.frontends import MISSING, VERSIONS, frontend_root
from tests.support.prompts import failing_image, inverted_image, slow_image
from tests.support.shown import Shown
from tests.support.stack import Stack, running_stack
from tests.support.until import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine; install the package chromium"),
]


@dataclass
class Site:
    """One release of the frontend, served by a ComfyUI behind a proxy with two workers, and a person's browser."""

    version: str
    stack: Stack
    context: BrowserContext
    tab: Frontend | None = None
    """the tab that the next test goes on with, as a person would"""

    async def new_tab(self) -> Frontend:
        return await opened_tab(self.context, self.stack.url)

    async def jobs(self) -> list[dict[str, Any]]:
        """Newest first."""
        found: list[dict[str, Any]] = (await self.stack.get("/runpod/api/jobs?limit=500"))["jobs"]
        return found

    async def run_in_color(self, tab: Frontend, color: int) -> None:
        """Run, and wait until it is submitted: the page reads its widgets when it comes to it, not when one clicks."""
        before = len(await self.jobs())

        async def submitted() -> bool:
            return len(await self.jobs()) == before + 1

        await tab.set_widget("1", "color", color)
        await tab.run()
        await until(submitted)


def _version(version: str) -> Any:
    missing = not frontend_root(version).is_dir()
    return pytest.param(version, marks=pytest.mark.skipif(missing, reason=f"{MISSING} {version}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[_version(version) for version in VERSIONS])
async def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> AsyncIterator[Site]:
    data, home = tmp_path_factory.mktemp("local"), tmp_path_factory.mktemp("home")
    args = ("--front-end-root", str(frontend_root(request.param)))
    async with (
        comfyui_process(data=data, args=args) as url,
        running_stack(home, COMFYUI_URL=url, SANDBOX_WORKERS="2") as stack,
        opened_context(browser) as context,
    ):
        stack.output = data / "output"
        yield Site(request.param, stack, context)


@pytest_asyncio.fixture(loop_scope="module")
async def frontend(request: pytest.FixtureRequest, site: Site) -> AsyncIterator[Frontend]:
    """A tab, which must report nothing unexpected while it is used; kept for the next test when it is left tidy."""
    tab = site.tab or await site.new_tab()
    await tab.page.bring_to_front()
    await tab.close_panels()
    yield tab
    if request.node.stash.get(FAILED, False):
        await tab.screenshot(f"failed-{request.node.name}")
    site.tab = tab if await tab.untouched() else None
    if site.tab is None:
        await tab.page.close()
    assert tab.unexpected_errors() == []


async def test_the_picture_is_on_the_node_in_the_queue_and_on_disk(site: Site, frontend: Frontend) -> None:
    await frontend.load_prompt(inverted_image(color=0x2060A0, prefix="run", size=256))
    await frontend.run()
    source = await frontend.image_on_node("3")
    await frontend.idle()
    await frontend.open_queue()
    await frontend.queue_shows("run_00001_.png")
    prompt_id = (await site.jobs())[0]["prompt_id"]
    await frontend.screenshot(f"{site.version}-run")

    assert "run_00001_.png" in source
    assert Image.open(site.stack.output / "run_00001_.png").size == (256, 256)
    assert (await frontend.shown()).ended == (prompt_id,)


LONG_S = 60
"""of a run that is looked at and then cancelled: a busy machine may draw a page only every few seconds"""
ASKING_ONCE = ("1.49.6", "1.58.1")
"""releases whose store of the queue keeps a second question until the first has its answer (stores/queueStore.ts)"""


def at_work(moment: Shown) -> bool:
    """Node 2 is drawn as running, with a bar that has gone some way and a preview."""
    return moment.outlined == ("2",) and 0.05 < moment.progress.get("2", 0) < 1 and bool(moment.previews["2"])


async def test_a_running_node_shows_its_progress_and_a_preview(site: Site, frontend: Frontend) -> None:
    seen: list[Shown] = []

    def moved(moment: Shown) -> bool:
        """The bar has had four lengths, and the node two previews."""
        seen.append(moment)
        working = [one for one in seen if at_work(one)]
        return len({one.progress["2"] for one in working}) > 3 and len({one.previews["2"] for one in working}) > 1

    await frontend.load_prompt(slow_image(LONG_S, "progress", color=0xC08040))
    await frontend.run()
    first = await frontend.shows(at_work)
    await frontend.shows(moved)
    await frontend.screenshot(f"{site.version}-progress")
    await frontend.interrupt()
    await frontend.idle()
    values = [moment.progress["2"] for moment in (first, *seen)]

    assert first.running == ("2",)
    assert "%" in first.title
    assert first.count == 1
    assert values == sorted(values)


async def test_cancel_stops_the_run_and_leaves_the_page_idle(site: Site, frontend: Frontend) -> None:
    await frontend.load_prompt(slow_image(LONG_S, "cancelled", color=0x40C080))
    await frontend.run()
    running = await frontend.shows(at_work)
    await frontend.interrupt()
    idle = await frontend.idle(5)
    await frontend.shows(lambda moment: running.live in moment.ended)
    await frontend.open_jobs()
    await frontend.screenshot(f"{site.version}-cancel")

    assert (await site.stack.job(str(running.live)))["state"] == "cancelled"
    assert idle.error is None
    assert idle.red == ()


async def test_an_error_turns_its_node_red_and_is_told(site: Site, frontend: Frontend) -> None:
    await frontend.load_prompt(failing_image("it went wrong"))
    await frontend.run()
    moment = await frontend.shows(lambda moment: moment.red and moment.error)
    await frontend.show_error_details()
    await frontend.text("it went wrong")
    await frontend.screenshot(f"{site.version}-error")
    await frontend.page.keyboard.press("Escape")  # up to 1.35 a dialog lies over the node
    await frontend.page.get_by_role("dialog").first.wait_for(state="hidden")
    await frontend.screenshot(f"{site.version}-error-node")

    assert moment.red == ("2",)
    assert "it went wrong" in str(moment.error)
    assert (await frontend.shows(lambda moment: moment.count == 0)).live is None


async def test_a_page_that_is_reloaded_in_mid_run_goes_on_showing_it(site: Site, frontend: Frontend) -> None:
    await frontend.load_prompt(slow_image(LONG_S, "reload", color=0x8040C0))
    await frontend.run()
    before = await frontend.shows(at_work)
    await frontend.reload()
    after = await frontend.shows(at_work)
    await frontend.screenshot(f"{site.version}-reload")
    await frontend.interrupt()
    await frontend.idle()
    await frontend.load_prompt(inverted_image(color=0x8040C0, prefix="reload"))
    await frontend.run()
    await frontend.image_on_node("3")
    await frontend.idle()

    assert after.sid == before.sid
    assert after.live == before.live
    assert after.progress["2"] > before.progress["2"]
    assert after.count == 1


async def test_of_two_tabs_only_the_one_that_runs_shows_progress(site: Site, frontend: Frontend) -> None:
    first, second = frontend, await site.new_tab()
    await first.load_prompt(slow_image(LONG_S, "other", color=0xC04080))
    await second.load_prompt(slow_image(3, "other", color=1))
    await first.run()
    running = await first.shows(at_work)
    other = await second.shows(lambda moment: moment.count == 1)
    await first.interrupt()
    seen = await second.moments(lambda moment: running.live in moment.ended)
    await first.load_prompt(inverted_image(color=0xC04080, prefix="tabs"))
    await first.run()
    for tab, name in ((first, "one"), (second, "two")):
        await tab.idle()
        await tab.page.bring_to_front()
        await tab.open_queue()
        await tab.queue_shows("tabs_00001_.png")
        await tab.screenshot(f"{site.version}-tabs-{name}")
    await second.page.close()

    assert second.unexpected_errors() == []
    assert running.sid != other.sid
    assert {(moment.live, moment.outlined, moment.title.count("%")) for moment in (other, *seen)} == {(None, (), 0)}


async def test_five_runs_at_once_all_end_with_their_pictures(site: Site, frontend: Frontend) -> None:
    await frontend.load_prompt(slow_image(2.5, "five"))
    for color in range(5):
        await site.run_in_color(frontend, 0x303030 * color)
    moments = await frontend.moments(lambda moment: moment.count == 0 and moment.idle, 60)
    ids = {job["prompt_id"] for job in (await site.jobs())[:5]}
    await frontend.shows(lambda moment: ids <= set(moment.ended))
    await frontend.open_jobs()
    for number in range(1, 6):
        await frontend.lists_job(f"five_0000{number}_.png")
    await frontend.screenshot(f"{site.version}-five")

    assert {moment.outlined for moment in moments} <= {(), ("1",), ("2",), ("3",)}
    assert len(list(site.stack.output.glob("five_*.png"))) == 5


@dataclass
class Overtaking:
    """Answers the page's lists in another order: the first replies come right after the first ones that know the end.

    Every reply waits its turn, so that no pause of this machine puts them into the usual order again.
    """

    prompt_id: str
    kept: dict[str, tuple[Route, APIResponse]] = field(default_factory=dict)
    late: bool = False
    _newer: set[str] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        reply = await route.fetch()
        knows_the_end = ("history" in path) == (self.prompt_id in await reply.text())
        async with self._turn:
            if path not in self.kept:
                assert not knows_the_end
                self.kept[path] = (route, reply)
                return
            await route.fulfill(response=reply)
            self._newer |= {path} if knows_the_end else set()
            if len(self._newer) == 2 and not self.late:
                self.late = True
                for old_route, old_reply in self.kept.values():
                    await old_route.fulfill(response=old_reply)


async def test_an_old_reply_that_arrives_late_does_not_stay(site: Site, frontend: Frontend) -> None:
    """Frontends show the list that they received last, even if it is older than the one that they show.

    The prompt comes from a script, so that its end is no reason for the page to ask again, but for the queue's length.
    """
    if site.version in ASKING_ONCE:
        pytest.skip(f"{site.version} asks again only when it has its answer: none can be overtaken")
    prompt_id = str(uuid.uuid4())
    await frontend.record_whether_ended(prompt_id)
    lists = Overtaking(prompt_id)
    await frontend.page.route(re.compile(r"/api/(queue|history)(\?|$)"), lists.answer)
    await site.stack.queue_prompt(slow_image(8, "late", color=11), prompt_id=prompt_id)

    async def healed() -> bool:
        return await frontend.recorded() == [True, False, True]

    await until(healed, 60, lambda: str(lists))
    await frontend.page.unroute_all(behavior="wait")

    assert lists.late
    assert (await frontend.shows(lambda moment: not moment.active)).ended


async def test_a_run_behind_another_is_not_said_to_wait_for_a_machine(site: Site, frontend: Frontend) -> None:
    async def both_run() -> bool:
        return [job["state"] for job in (await site.jobs())[:2]] == ["running", "running"]

    await frontend.load_prompt(slow_image(6, "behind"))
    for color in (12, 13):
        await site.run_in_color(frontend, color)
    await until(both_run)
    try:
        await frontend.shows(lambda moment: not moment.waiting, 2)
    finally:
        await frontend.idle()


async def test_a_batch_of_three_runs_three_times(site: Site, frontend: Frontend) -> None:
    before = len(await site.jobs())

    async def thrice() -> bool:
        return len(await site.jobs()) >= before + 3

    await frontend.load_prompt(slow_image(1, "batch", color=7))
    await frontend.set_batch_count(3)
    await frontend.run()
    await frontend.screenshot(f"{site.version}-batch")
    await until(thrice)
    await frontend.idle()
    await frontend.set_batch_count(1)

    assert len(await site.jobs()) == before + 3


async def test_instant_runs_follow_each_other_until_it_is_switched_off(site: Site, frontend: Frontend) -> None:
    before = len(await site.jobs())

    async def repeated() -> bool:
        return len(await site.jobs()) >= before + 3

    await frontend.load_prompt(slow_image(0.3, "instant", color=8))
    await frontend.choose_mode("Run (Instant)")
    await frontend.run()
    await until(repeated)
    await frontend.screenshot(f"{site.version}-instant")
    await frontend.stop_instant()
    await frontend.idle()
    stopped = len(await site.jobs())
    await frontend.set_widget("3", "filename_prefix", "afterwards")
    await frontend.run()
    await frontend.image_on_node("3", "afterwards_00001_.png")
    await frontend.idle()

    assert len(await site.jobs()) == stopped + 1


async def test_the_graph_of_a_run_can_be_loaded_from_the_history(site: Site, frontend: Frontend) -> None:
    await frontend.load_prompt(inverted_image(color=9, prefix="history"))
    await frontend.run()
    await frontend.image_on_node("3")
    await frontend.idle()
    await frontend.clear()
    await frontend.load_workflow_of("history_00001_.png")
    await frontend.has_nodes(["EmptyImage", "ImageInvert", "SaveImage"])
    await frontend.screenshot(f"{site.version}-history")


async def test_a_cold_start_is_not_silent(site: Site, tmp_path: Path) -> None:
    settings = {"COMFYUI_URL": site.stack.comfyui_url, "SANDBOX_COLD_START_S": "4"}
    async with running_stack(tmp_path, **settings) as cold:
        frontend = await opened_tab(site.context, cold.url)
        await frontend.load_prompt(slow_image(2, "cold", color=10))
        await frontend.run()
        waiting = await frontend.shows(
            lambda moment: moment.count == 1 and (moment.waiting or site.version == "1.27.10")
        )
        await frontend.page.get_by_role("status").filter(has_text="Waiting for a machine").wait_for()
        await frontend.open_jobs()
        await frontend.screenshot(f"{site.version}-cold")
        started = await frontend.moments(lambda moment: moment.live)
        await frontend.image_on_node("3")
        await frontend.idle()
        await frontend.page.close()

    assert frontend.unexpected_errors() == []
    assert waiting.live is None
    assert waiting.count == 1
    assert started[-1].waiting == ()
