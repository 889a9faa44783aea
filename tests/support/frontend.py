"""ComfyUI's page as a person uses it, in each of its releases."""

import asyncio
import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page

from tests.support.shown import Shown, shown
from tests.support.until import until

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
PATIENCE_S = 90.0
"""on a machine that other tests use as well; whoever waits goes on as soon as it is there"""
_PATIENCE_MS = PATIENCE_S * 1000


@dataclass
class Frontend:
    """ComfyUI's page."""

    page: Page
    errors: list[str] = field(default_factory=list)

    async def ready(self) -> None:
        """Until the first graph is there: what is done before would be overwritten."""
        first_graph = "() => window.app?.graph?.nodes.length > 0 && window.app.extensionManager && window.name"
        await self.page.wait_for_function(first_graph, timeout=_PATIENCE_MS)
        await self.page.locator("[data-testid=queue-button]").wait_for(timeout=_PATIENCE_MS)

    async def reload(self) -> None:
        await self.page.reload()
        await self.ready()

    # -- the graph

    async def load_prompt(self, prompt: Mapping[str, Any]) -> None:
        """Show a prompt in API format as a graph."""
        await self.page.evaluate("(prompt) => window.app.loadApiJson(prompt, 'test')", dict(prompt))
        wanted = sorted(node["class_type"] for node in prompt.values())
        await self.has_nodes(wanted)

    async def has_nodes(self, types: list[str]) -> None:
        """Until the graph holds exactly nodes of these types."""

        async def holds() -> bool:
            return sorted(await self.node_types()) == sorted(types)

        await until(holds, PATIENCE_S)

    async def clear(self) -> None:
        await self.page.evaluate("() => window.app.graph.clear()")

    async def node_types(self) -> list[str]:
        types: list[str] = await self.page.evaluate("() => window.app.graph.nodes.map((node) => node.type)")
        return types

    async def set_widget(self, node_id: str, name: str, value: object) -> None:
        script = """([id, name, value]) => {
            const node = window.app.graph.nodes.find((node) => String(node.id) === id);
            node.widgets.find((widget) => widget.name === name).value = value;
        }"""
        await self.page.evaluate(script, [node_id, name, value])

    async def drop_file(self, path: Path) -> None:
        """As dragging a file from the desktop onto the canvas."""
        script = """async ([name, data]) => {
            const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type: "image/png" }));
            const canvas = document.querySelector("canvas#graph-canvas");
            canvas.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }"""
        content = base64.b64encode(await asyncio.to_thread(path.read_bytes)).decode()
        await self.page.evaluate(script, [path.name, content])

    # -- Run and its surroundings

    async def run(self) -> None:
        await self._run_button().click()

    async def interrupt(self) -> None:
        """The X beside Run."""
        await self.page.get_by_role("button", name="Cancel current run", exact=True).click()

    async def set_batch_count(self, count: int) -> None:
        field = self.page.locator(".batch-count input")
        await field.select_text()
        await field.press_sequentially(str(count))
        await field.press("Enter")
        await self.shows(lambda moment: moment.batch == count)

    async def choose_mode(self, label: str) -> None:
        """How Run behaves, by its name in the menu beside Run."""
        await self.page.locator(
            "[data-testid=queue-button] .p-splitbutton-dropdown, [data-testid=queue-mode-menu-trigger]"
        ).click()
        await (
            self.page.locator("[role=menuitem] button, button[role=menuitem], [role=menuitemradio]", has_text=label)
            .filter(has_not_text=f"{label} (")
            .click()
        )

    async def stop_instant(self) -> None:
        """Leave the mode in which Run repeats itself: by Run itself where it has become Stop."""
        button = self._run_button()
        if "Stop" in (await button.inner_text()):
            await button.click()
        await self.choose_mode("Run")

    def _run_button(self) -> Locator:
        """In 1.58 the marked element is the button, before it holds the button and the menu's arrow."""
        return self.page.locator("button[data-testid=queue-button], [data-testid=queue-button] button").first

    # -- what it shows

    async def shown(self) -> Shown:
        return await shown(self.page)

    async def shows(self, wanted: Callable[[Shown], object], timeout_s: float = PATIENCE_S) -> Shown:
        """The first moment that is *wanted*."""
        last: list[Shown] = []

        async def found() -> Shown | None:
            last[:] = [await self.shown()]
            return last[0] if wanted(last[0]) else None

        moment = await until(found, timeout_s, lambda: str(last))
        assert moment is not None
        return moment

    async def moments(self, until_: Callable[[Shown], object], timeout_s: float = PATIENCE_S) -> list[Shown]:
        """Every moment that was seen up to the one wanted, that one included."""
        seen: list[Shown] = []

        def note(moment: Shown) -> object:
            seen.append(moment)
            return until_(moment)

        await self.shows(note, timeout_s)
        return seen

    async def record_whether_ended(self, prompt_id: str) -> None:
        """From now on note every change of whether the page lists the prompt among those that have ended."""
        script = """(id) => {
            const stores = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s;
            const queue = stores.get("queue");
            window.recorded = [];
            const note = () => {
                const listed = queue.historyTasks.some((task) => (task.promptId ?? task.jobId) === id);
                if (listed !== (window.recorded.at(-1) ?? false)) window.recorded.push(listed);
            };
            queue.$subscribe(note, { flush: "sync" });
        }"""
        await self.page.evaluate(script, prompt_id)

    async def recorded(self) -> list[bool]:
        """What was noted since :meth:`record_whether_ended`."""
        found: list[bool] = await self.page.evaluate("() => window.recorded")
        return found

    async def idle(self, timeout_s: float = PATIENCE_S) -> Shown:
        return await self.shows(lambda moment: moment.idle, timeout_s)

    async def image_on_node(self, node_id: str, named: str = "", timeout_s: float = PATIENCE_S) -> str:
        """Where the picture on the node comes from, as soon as it is there (with this name) and has been loaded."""
        script = """([id, named]) => {
            const node = window.app.graph.nodes.find((node) => String(node.id) === id);
            const loaded = (image) => image.complete && image.naturalWidth > 0 && image.src.includes(named);
            return node?.imgs?.find(loaded)?.src ?? false;
        }"""
        handle = await self.page.wait_for_function(script, arg=[node_id, named], timeout=timeout_s * 1000)
        return str(await handle.json_value())

    async def open_queue(self) -> None:
        """The sidebar tab that lists what ran: the queue, or in newer frontends the assets."""
        script = """() => {
            const sidebar = window.app.extensionManager.sidebarTab;
            const names = sidebar.sidebarTabs.map((tab) => tab.id);
            const wanted = names.includes("queue") ? "queue" : "assets";
            if (sidebar.activeSidebarTabId !== wanted) sidebar.toggleSidebarTab(wanted);
        }"""
        await self.page.evaluate(script)

    async def open_jobs(self) -> None:
        """The list of jobs: the queue tab, or in newer frontends a panel below Run."""
        if not await self._jobs_toggle().count():
            await self.open_queue()
        elif not await self._jobs_panel().is_visible():
            await self._jobs_toggle().click()

    async def close_panels(self) -> None:
        """What hides a part of the graph: the sidebar, the list of jobs, and in 1.58 the properties with the errors."""
        script = """() => {
            const sidebar = window.app.extensionManager.sidebarTab;
            if (sidebar.activeSidebarTabId) sidebar.toggleSidebarTab(sidebar.activeSidebarTabId);
            const stores = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s;
            stores.get("rightSidePanel")?.closePanel();
        }"""
        await self.page.evaluate(script)
        if await self._jobs_panel().is_visible():
            await self._jobs_toggle().click()

    def _jobs_toggle(self) -> Locator:
        return self.page.locator("[data-testid=queue-overlay-toggle], [aria-label='Expand job queue']").first

    def _jobs_panel(self) -> Locator:
        return self.page.get_by_text("Job Queue", exact=True)

    def job(self, filename: str) -> Locator:
        """The job in the list of jobs that made this picture."""
        named = self.page.get_by_text(filename)
        return named.or_(self.page.locator(".task-item", has=self.in_queue(filename))).first

    async def lists_job(self, filename: str, timeout_s: float = PATIENCE_S) -> None:
        """Until the list of jobs has the one that made this picture."""
        script = """() => {
            const queue = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s.get("queue");
            const names = (task) => (task.flatOutputs ?? []).map((output) => output.filename).join();
            const images = [...document.querySelectorAll(".task-item img")].map((image) => image.src);
            return JSON.stringify({ ended: queue.historyTasks.map(names), images });
        }"""
        last: list[str] = []

        async def listed() -> bool:
            last[:] = [await self.page.evaluate(script)]
            return await self.job(filename).is_visible()

        await until(listed, timeout_s, lambda: f"{filename} is not in {last}")

    async def queue_shows(self, filename: str) -> None:
        """The picture is in the queue panel."""
        await self.in_queue(filename).wait_for(timeout=_PATIENCE_MS)

    def in_queue(self, filename: str) -> Locator:
        return self.page.locator(f"img[src*='{filename}']").first

    async def text(self, text: str) -> None:
        """Until the page says this."""
        await self.page.get_by_text(text).first.wait_for(timeout=_PATIENCE_MS)

    async def show_error_details(self) -> None:
        """1.58 tells an error in one line, with its message one click away."""
        details = self.page.get_by_role("button", name="View details")
        dialog = self.page.get_by_role("dialog")
        await details.or_(dialog).first.wait_for(timeout=_PATIENCE_MS)
        if await details.count():
            await details.click()

    async def load_workflow_of(self, filename: str) -> None:
        """Open the graph that made this picture, by the menu of its job."""
        await self.open_jobs()
        await self.job(filename).click(button="right")
        await self.page.get_by_text(re.compile("^(Load Workflow|Open (as )?workflow in new tab)$")).click()

    async def untouched(self) -> bool:
        """Nothing runs, no dialog is open, Run has its ordinary settings."""
        moment = await self.shown()
        dialogs = await self.page.locator("[role=dialog]:visible").count()
        return moment.idle and not dialogs and (moment.mode, moment.batch) == ("disabled", 1)

    def unexpected_errors(self) -> list[str]:
        """What the page reported, without what it reports with or without a proxy (1.27.10 at every load)."""
        return [error for error in self.errors if "reading 'id'" not in error]

    async def screenshot(self, name: str) -> Path:
        ARTIFACTS.mkdir(exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        await self.page.screenshot(path=path)
        return path
