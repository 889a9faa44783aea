"""Which prompt a browser socket shows live: a frontend has one progress display, several prompts may run.

The first that starts is shown; when it ends, the next running one is introduced as if it had just begun. Those that are
not shown still deliver their outputs and errors. A local run takes part like any other.
"""

from dataclasses import dataclass, field

from wire.comfy import Message, PreviewFrame, TextFrame

Live = Message | PreviewFrame | TextFrame

_DELIVERED_UNSEEN = frozenset({"executed", "execution_error"})
_BROADCAST = frozenset({"progress_state", "progress", "execution_interrupted"})
_KEPT = ("execution_start", "execution_cached", "progress_state", "executing")


@dataclass(slots=True)
class Snapshot:
    """The last message of each kind that a newcomer needs in order to show a running prompt."""

    local: bool
    last: dict[str, Message] = field(default_factory=dict)

    def apply(self, message: Live) -> None:
        if isinstance(message, Message) and message.type in _KEPT:
            self.last[message.type] = message

    def introduction(self) -> list[Live]:
        return [self.last[kind] for kind in _KEPT if kind in self.last]


def prompt_of(message: Live) -> str | None:
    """The prompt that *message* speaks of; None when it does not say."""
    if isinstance(message, Message):
        prompt_id = message.data.get("prompt_id")
        return prompt_id if isinstance(prompt_id, str) else None
    return message.prompt_id


def is_broadcast(message: Live) -> bool:
    """Whether ComfyUI says *message* of a prompt without a client id to every socket (server.py, ``send``)."""
    return not isinstance(message, Message) or message.type in _BROADCAST


def as_broadcast(message: Live) -> Live:
    """What everybody is sent: pictures do not say their node, as for a client without flags (main.py)."""
    if isinstance(message, PreviewFrame):
        return PreviewFrame(message.image, message.image_type, prompt_id=message.prompt_id)
    return message


def begins(message: Live) -> bool:
    return isinstance(message, Message) and message.type == "execution_start"


def ends(message: Live) -> bool:
    """True for the message after which ComfyUI speaks of a prompt no more."""
    return isinstance(message, Message) and message.type == "executing" and message.data.get("node") is None


@dataclass(slots=True)
class LivePrompt:
    """The choice for one socket."""

    live: str | None = None
    running: dict[str, Snapshot] = field(default_factory=dict)

    def feed(self, message: Live, *, local: bool) -> list[Live]:
        """What the socket sends now that *message* is known."""
        prompt_id = prompt_of(message)
        if prompt_id is None:
            return [message] if self._shows_local() or not local else []
        if begins(message):
            self.running.setdefault(prompt_id, Snapshot(local))
            self.live = self.live or prompt_id
        if prompt_id not in self.running:
            return [message] if self.live is None else self._unseen(message)
        self.running[prompt_id].apply(message)
        if prompt_id != self.live:
            return self._off_stage(prompt_id, message)
        if ends(message):
            return [message, *self._next(prompt_id)]
        return [message]

    def _off_stage(self, prompt_id: str, message: Live) -> list[Live]:
        """A frontend takes a prompt to be waiting until it hears that it starts; the shown one is then shown again."""
        if begins(message) and self.live is not None:
            return [message, *self.running[self.live].introduction()]
        if ends(message):
            del self.running[prompt_id]
        return self._unseen(message)

    def join(self, prompt_id: str, snapshot: Snapshot) -> list[Live]:
        """Introduce a prompt that already runs, to a socket that has just come (back)."""
        self.running[prompt_id] = Snapshot(snapshot.local, dict(snapshot.last))
        if self.live is not None:
            return []
        self.live = prompt_id
        return snapshot.introduction()

    def lose_local(self) -> list[Live]:
        """ComfyUI went away: what it ran is over."""
        lost = [prompt_id for prompt_id, snapshot in self.running.items() if snapshot.local]
        sent: list[Live] = []
        for prompt_id in lost:
            sent += self.feed(Message("executing", {"node": None, "prompt_id": prompt_id}), local=True)
        return sent

    def _shows_local(self) -> bool:
        return self.live is None or self.running[self.live].local

    def _unseen(self, message: Live) -> list[Live]:
        wanted = isinstance(message, Message) and message.type in _DELIVERED_UNSEEN
        return [message] if wanted else []

    def _next(self, ended: str) -> list[Live]:
        del self.running[ended]
        self.live = next(iter(self.running), None)
        return self.running[self.live].introduction() if self.live else []
