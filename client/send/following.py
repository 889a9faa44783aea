"""What a person reads while a job runs: ComfyUI's messages become a line of text and two bars."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from client.workflow.overrides import title
from wire.comfy import Message


@dataclass(slots=True)
class Following:
    """One prompt, fed its messages in order."""

    prompt: Mapping[str, Any]
    text: str = "submitting"
    node: str | None = None
    step: float = 0
    steps: float = 0
    finished: set[str] = field(default_factory=set)
    error: str | None = None
    ended: bool = False

    @property
    def nodes(self) -> int:
        return len(self.prompt)

    def hear(self, message: Message) -> str | None:
        """Take *message* in; the new line of text if it changed."""
        before = self.text
        self._take(message.type, message.data)
        return self.text if self.text != before else None

    def _take(self, kind: str, data: Mapping[str, Any]) -> None:
        match kind:
            case "notification":
                self.text = str(data.get("value") or self.text)
            case "execution_start":
                self.text, self.finished = "running", set()
            case "execution_cached":
                self.finished |= set(data.get("nodes", ()))
            case "executing":
                self._executing(data.get("display_node") or data.get("node"))
            case "progress":
                self.step, self.steps = float(data["value"]), float(data["max"])
            case "progress_state":
                nodes = data.get("nodes", {})
                self.finished |= {node for node, state in nodes.items() if state.get("state") == "finished"}
            case "execution_error":
                self.error = _failure(data)
                self.text = "failed"
            case "execution_interrupted":
                self.text = "cancelled"
            case "execution_success":
                self.text, self.finished = "done", set(self.prompt)

    def _executing(self, node: str | None) -> None:
        if node is None:
            self.ended = True
            return
        self.node, self.step, self.steps = node, 0, 0
        self.text = title(self.prompt[node]) if node in self.prompt else f"node {node}"


def _failure(data: Mapping[str, Any]) -> str:
    text = str(data.get("exception_message", "")).strip() or "failed; no reason was given"
    where = data.get("node_id")
    name = f"{data.get('node_type') or 'node'} #{where}"
    return f"{name}: {text}" if where and not text.startswith(name) else text
