"""What a person is told of a node that waits for an answer, and what the waiting costs."""

from wire.events import NodeWaits

_NO_WAY = (
    "It cannot reach RunPod without a network volume (RUNPOD_VOLUME_ID and its S3 keys) or a bucket (BUCKET_…). "
    "Press Cancel, or run the graph in your own ComfyUI."
)


def waits_sentence(event: NodeWaits) -> str:
    """What the prompt waits for, in one line."""
    if event.answerable:
        return f"{_name(event)} waits for your answer ({_cost(event)})"
    return f"{_name(event)} waits for an answer, which cannot reach RunPod: press Cancel ({_cost(event)})"


def waits_notice(event: NodeWaits) -> tuple[str, str]:
    """The summary and the detail of a warning that the answer cannot arrive."""
    return f"{_name(event)} waits for an answer", f"{_NO_WAY} So far: {_cost(event)}."


def _name(event: NodeWaits) -> str:
    return f"{event.title or 'Node'} #{event.node}"


def _cost(event: NodeWaits) -> str:
    """RunPod bills each second in which a worker has the job; what a second costs depends on its GPU."""
    minutes, seconds = divmod(round(event.seconds), 60)
    spent = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return f"{spent} of a worker are billed"
