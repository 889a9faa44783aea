"""What ComfyUI's page shows, read from its own state: the stores that it renders, the nodes on its canvas."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page

# The stores were renamed between 1.35 and 1.58: "prompt" became "job", errors got a store of their own.
_READ = """() => {
    const stores = document.getElementById("vue-app").__vue_app__.config.globalProperties.$pinia._s;
    const execution = stores.get("execution");
    const errors = stores.get("executionError") ?? execution;
    const queue = stores.get("queue");
    const states = Object.values(execution.nodeProgressStates);
    const strokes = (node) => Object.entries(node.strokeStyles ?? {})
        .filter(([, style]) => style.call(node)).map(([name]) => name);
    const errorStrokes = ["executionError", "nodeError"];
    const drawn = (image) => image.naturalWidth > 0 && image.src.startsWith("blob:");
    const nodes = window.app.graph.nodes.map((node) => ({
        id: String(node.id),
        progress: node.progress ?? null,
        strokes: strokes(node),
        failed: Boolean(node.has_errors) || strokes(node).some((name) => errorStrokes.includes(name)),
        previews: (node.imgs ?? []).filter(drawn).map((image) => image.src),
    }));
    return {
        title: document.title,
        sid: window.name,
        live: execution.activePromptId ?? execution.activeJobId ?? null,
        running: states.filter((state) => state.state === "running").map((state) => String(state.node_id)),
        progress: Object.fromEntries(nodes.filter((node) => node.progress).map((node) => [node.id, node.progress])),
        outlined: nodes.filter((node) => node.strokes.includes("running")).map((node) => node.id),
        red: nodes.filter((node) => node.failed).map((node) => node.id),
        previews: Object.fromEntries(nodes.map((node) => [node.id, node.previews])),
        error: errors.lastExecutionError?.exception_message ?? null,
        waiting: [...(execution.initializingPromptIds ?? execution.initializingJobIds ?? [])],
        count: stores.get("queuePendingTaskCount").count,
        active: [...queue.runningTasks, ...queue.pendingTasks].map((task) => task.promptId ?? task.jobId),
        mode: stores.get("queueSettingsStore").mode,
        batch: stores.get("queueSettingsStore").batchCount,
        ended: queue.historyTasks.map((task) => task.promptId ?? task.jobId),
    };
}"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One moment of the page. Nodes are named by their ids, jobs by their prompt ids."""

    title: str
    sid: str
    live: str | None
    """the prompt whose progress is displayed"""
    running: tuple[str, ...]
    outlined: tuple[str, ...]
    """nodes that are drawn with the frame of a running node"""
    red: tuple[str, ...]
    progress: Mapping[str, float]
    previews: Mapping[str, tuple[str, ...]]
    error: str | None
    waiting: tuple[str, ...]
    """prompts that are marked as waiting for a machine"""
    count: int
    """the badge of the queue"""
    mode: str
    """how Run behaves"""
    batch: int
    active: tuple[str, ...]
    ended: tuple[str, ...]

    @property
    def idle(self) -> bool:
        """Nothing is displayed as running, and nothing as waiting."""
        return self.live is None and not self.outlined and self.count == 0 and "%" not in self.title


async def shown(page: Page) -> Shown:
    state: dict[str, Any] = await page.evaluate(_READ)
    lists = {name: tuple(value) for name, value in state.items() if isinstance(value, list)}
    previews = {node: tuple(sources) for node, sources in state["previews"].items()}
    return Shown(**{**state, **lists, "previews": previews})
