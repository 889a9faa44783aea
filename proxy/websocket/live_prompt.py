"""Which prompt a browser socket shows live: a page has one progress display, and several prompts may run.

The first prompt that starts is shown. When it ends, the next running one is shown as if it had just begun. The others
still deliver their outputs and errors. A local run takes part like any other.
"""

from dataclasses import dataclass, field

from wire.comfy import CustomMessage, Message, PreviewFrame, TextFrame, UnknownFrame

Live = Message | CustomMessage | PreviewFrame | TextFrame | UnknownFrame

_SENT_ALWAYS = frozenset({"executed", "execution_error", "runpod.remedies"})
_BROADCAST = frozenset({"progress_state", "progress", "execution_interrupted"})
_REPLAYED = ("execution_start", "execution_cached", "progress_state", "executing")
_DRAWS = _SENT_ALWAYS | _BROADCAST | {*_REPLAYED, "execution_success"}
"""messages that would be drawn over the prompt that is shown, also when they do not name theirs"""


@dataclass(slots=True)
class Snapshot:
    """The last message of each kind that a page needs in order to show a running prompt."""

    local: bool
    last: dict[str, Message] = field(default_factory=dict)

    def apply(self, message: Live) -> None:
        """Remember *message* if a page needs it."""
        if isinstance(message, Message) and message.type in _REPLAYED:
            self.last[message.type] = message

    def replay(self) -> list[Live]:
        """The messages that show the prompt, in ComfyUI's order."""
        return [self.last[kind] for kind in _REPLAYED if kind in self.last]


def prompt_of(message: Live) -> str | None:
    """The id of the prompt that *message* is about; None when it does not name one, as a custom node's never does."""
    match message:
        case Message(data={"prompt_id": str(prompt_id)}):
            return prompt_id
        case PreviewFrame() | TextFrame():
            return message.prompt_id
        case _:
            return None


def is_broadcast(message: Live) -> bool:
    """Whether ComfyUI sends *message* of a prompt without a client id to every socket (server.py, ``send``)."""
    return not isinstance(message, Message) or message.type in _BROADCAST


def as_broadcast(message: Live) -> Live:
    """*message* as every socket gets it: pictures do not name their node, as for a client without flags (main.py)."""
    if isinstance(message, PreviewFrame):
        return PreviewFrame(message.image, message.image_type, prompt_id=message.prompt_id)
    return message


def begins(message: Live) -> bool:
    """Whether *message* is the first one of a prompt that runs."""
    return isinstance(message, Message) and message.type == "execution_start"


def ends(message: Live) -> bool:
    """Whether *message* is the last one that ComfyUI sends about a prompt."""
    return isinstance(message, Message) and message.type == "executing" and message.data.get("node") is None


@dataclass(slots=True)
class LivePrompt:
    """The choice for one socket."""

    live: str | None = None
    running: dict[str, Snapshot] = field(default_factory=dict)

    def feed(self, message: Live, *, local: bool) -> list[Live]:
        """What the socket sends, now that *message* has come."""
        prompt_id = prompt_of(message)
        if prompt_id is None:
            return [message] if not local or not _draws(message) or self._shows_local() else []
        if begins(message):
            self.running.setdefault(prompt_id, Snapshot(local))
            self.live = self.live or prompt_id
        if prompt_id not in self.running:
            return [message] if self.live is None else _always_sent(message)
        self.running[prompt_id].apply(message)
        if prompt_id != self.live:
            return self._in_background(prompt_id, message)
        if ends(message):
            return [message, *self._show_next(prompt_id)]
        return [message]

    def _in_background(self, prompt_id: str, message: Live) -> list[Live]:
        """A page shows a prompt as waiting until its start arrives; that makes it live, so the live one is replayed."""
        if begins(message) and self.live is not None:
            return [message, *self.running[self.live].replay()]
        if ends(message):
            del self.running[prompt_id]
        return _always_sent(message)

    def add_running(self, prompt_id: str, snapshot: Snapshot) -> list[Live]:
        """What the socket sends about a prompt that ran before the socket was opened."""
        self.running[prompt_id] = Snapshot(snapshot.local, dict(snapshot.last))
        if self.live is not None:
            return []
        self.live = prompt_id
        return snapshot.replay()

    def end_local(self) -> list[Live]:
        """What the socket sends when ComfyUI went away: what it ran is over."""
        lost = [prompt_id for prompt_id, snapshot in self.running.items() if snapshot.local]
        sent: list[Live] = []
        for prompt_id in lost:
            sent += self.feed(Message("executing", {"node": None, "prompt_id": prompt_id}), local=True)
        return sent

    def _shows_local(self) -> bool:
        return self.live is None or self.running[self.live].local

    def _show_next(self, ended: str) -> list[Live]:
        del self.running[ended]
        self.live = next(iter(self.running), None)
        return self.running[self.live].replay() if self.live else []


def _always_sent(message: Live) -> list[Live]:
    return [message] if isinstance(message, Message) and message.type in _SENT_ALWAYS else []


def _draws(message: Live) -> bool:
    match message:
        case Message(type=kind):
            return kind in _DRAWS
        case _:
            return isinstance(message, PreviewFrame | TextFrame)
