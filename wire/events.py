"""WorkerEvent: what a worker reports while it runs a prompt.

They are sent in the order in which ComfyUI told them; see wire.batch.
"""

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wire.changes import Change
from wire.comfy import UnknownFrame, is_own, parse_binary
from wire.errors import WireError
from wire.files import FileRef, MissingFile, Sha256, decode_bytes
from wire.limits import CATALOG_PACKED_MAX, CATALOG_PIECE, PROMPT_CHANGES
from wire.packs import PACK_FILES_MAX, PackName
from wire.progress import Finite, NodeProgress

CATALOG_PIECES_MAX = CATALOG_PACKED_MAX // CATALOG_PIECE + 1


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    is_kept: ClassVar[bool] = True
    """whether whoever shows the run again, as after a restart, needs it"""


class HistoryEntry(BaseModel):
    """ComfyUI's own history entry for the prompt, without the prompt itself (execution.py, ``task_done``)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    outputs: dict[str, dict[str, Any]]
    status: dict[str, Any]
    meta: dict[str, Any] = {}
    outputs_to_execute: tuple[str, ...] = ()


class WorkerState(_Event):
    """What is waited for: ``stopping`` (the prompt of a cancelled job), ``starting`` (ComfyUI comes up), ``models``
    (downloads), ``staging`` (inputs), ``loading`` (a model)."""

    is_kept = False

    kind: Literal["worker_state"] = "worker_state"
    phase: str
    message: str = ""


class PromptChanged(_Event):
    """What custom nodes of the worker changed in the prompt before it ran, such as wildcards and global seeds: all
    differences from the prompt as it was sent. Source: ComfyUI, server.py ``trigger_on_prompt``.
    """

    kind: Literal["prompt_changed"] = "prompt_changed"
    prompt: tuple[Change, ...] = Field(default=(), max_length=PROMPT_CHANGES)
    extra_pnginfo: tuple[Change, ...] = Field(default=(), max_length=PROMPT_CHANGES)
    """of ``extra_data.extra_pnginfo``, which has the page's workflow"""


class NodeWaits(_Event):
    """A node that sent a message of its own, and since then nothing has moved: it seems to wait for a person. Said
    again, ever more seldom, while that lasts.
    """

    is_kept = False

    kind: Literal["node_waits"] = "node_waits"
    node: Annotated[str, Field(max_length=200)]
    title: Annotated[str, Field(max_length=200)] = ""
    """as the graph has it, else its class"""
    answerable: bool
    """whether the page's answer reaches this worker"""
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """for how long the worker has had this job, which is what is billed"""


class PromptStarted(_Event):
    kind: Literal["prompt_started"] = "prompt_started"
    timestamp: int
    """milliseconds since the epoch, the worker's clock"""


class NodesCached(_Event):
    kind: Literal["nodes_cached"] = "nodes_cached"
    nodes: tuple[str, ...]
    timestamp: int


class NodeStarted(_Event):
    kind: Literal["node_started"] = "node_started"
    node: str
    display_node: str | None = None


class NodesProgressed(_Event):
    """The entries of ``progress_state`` that changed since the last such event of this run."""

    kind: Literal["nodes_progressed"] = "nodes_progressed"
    nodes: dict[str, NodeProgress]


class StepProgress(_Event):
    """ComfyUI's ``progress``."""

    is_kept = False

    kind: Literal["step_progress"] = "step_progress"
    node: str
    value: Finite
    max: Finite


class Preview(_Event):
    """ComfyUI's binary frame 4: a preview image of a running node, or a picture that a node delivers as one."""

    is_kept = False

    kind: Literal["preview"] = "preview"
    node: str
    display_node: str | None = None
    parent_node: str | None = None
    real_node: str | None = None
    image_type: str
    data: str = Field(default="", repr=False)
    """base64"""
    transfer: int | None = Field(default=None, ge=0)
    """the bytes came before, as FileChunk events with this transfer number"""


def _not_own(kind: str) -> str:
    if is_own(kind):
        raise ValueError("is a message of ComfyUI's own")
    return kind


class NodeMessage(_Event):
    """A message that a custom node sends to its own script in the page, word for word. Each file that *data* names is
    one of *files*, unless the worker does not have it.
    """

    kind: Literal["node_message"] = "node_message"
    type: Annotated[str, Field(max_length=200), AfterValidator(_not_own)]
    data: Any = None
    files: tuple[FileRef, ...] = ()


class MessagesSkipped(_Event):
    """Messages of custom nodes were too large or too many; *type* is that of the first one that was left out."""

    kind: Literal["messages_skipped"] = "messages_skipped"
    type: Annotated[str, Field(max_length=200)]


def _not_own_frame(data: str) -> str:
    try:
        is_own_frame = not isinstance(parse_binary(decode_bytes(data)), UnknownFrame)
    except WireError as error:
        raise ValueError(str(error)) from error
    if is_own_frame:
        raise ValueError("is a frame of ComfyUI's own")
    return data


class NodeFrame(_Event):
    """A binary frame of a custom node, such as the animated previews of VideoHelperSuite; never one that ComfyUI's page
    would take for ComfyUI's.
    """

    is_kept = False

    kind: Literal["node_frame"] = "node_frame"
    data: Annotated[str, AfterValidator(_not_own_frame)] = Field(repr=False)
    """base64"""


class NodeText(_Event):
    """ComfyUI's binary frame 3: progress text of a node."""

    kind: Literal["node_text"] = "node_text"
    node: str
    text: str


class NodeOutput(_Event):
    """ComfyUI's ``executed``. *output* is ComfyUI's object with the worker's file names.

    Each file that it names is one of *files*, or one of *missing*.
    """

    kind: Literal["node_output"] = "node_output"
    node: str
    display_node: str | None = None
    output: dict[str, Any] | None = None
    files: tuple[FileRef, ...] = ()
    missing: tuple[MissingFile, ...] = ()


class FilesSaved(_Event):
    """Files that the prompt wrote into ComfyUI's output and input folders, and that no output and no message names."""

    kind: Literal["files_saved"] = "files_saved"
    files: tuple[FileRef, ...] = ()
    left_out: int = Field(default=0, ge=0)
    """how many more there are: too many to send, or unreadable"""
    elsewhere: tuple[str, ...] = ()
    """texts of the prompt that name a folder or a file outside ComfyUI's folders into which the prompt has written:
    nothing of it is read or sent"""


class PackFilesDiffer(_Event):
    """Data files of custom node packs, such as wildcards, that the endpoint lacks or has with other bytes."""

    is_kept = False

    kind: Literal["pack_files_differ"] = "pack_files_differ"
    files: Annotated[tuple[PackName, ...], Field(max_length=PACK_FILES_MAX)]


class CatalogTold(_Event):
    """The SHA-256 of this worker's catalog. If the sender of the job has another one, the catalog follows in pieces."""

    is_kept = False

    kind: Literal["catalog_told"] = "catalog_told"
    sha256: Sha256


class CatalogPiece(_Event):
    """A piece of the compressed catalog; the pieces come in order, *count* of them."""

    is_kept = False

    kind: Literal["catalog_piece"] = "catalog_piece"
    sha256: Sha256
    number: int = Field(ge=0, lt=CATALOG_PIECES_MAX)
    count: int = Field(ge=1, le=CATALOG_PIECES_MAX)
    data: str = Field(repr=False)
    """base64"""


class NodeBlocked(_Event):
    """An ExecutionBlocker's message: ComfyUI's ``execution_error`` without a date, after which the prompt goes on."""

    kind: Literal["node_blocked"] = "node_blocked"
    error: dict[str, Any]


class FileChunk(_Event):
    """Bytes of a file that a later event names by *transfer*; in order, without gaps."""

    is_kept = False

    kind: Literal["file_chunk"] = "file_chunk"
    transfer: int = Field(ge=0)
    offset: int = Field(ge=0)
    data: str = Field(repr=False)
    """base64"""
    size: int | None = Field(default=None, ge=0)
    """bytes of the whole file: what is beyond them is not kept"""


class JobsFound(_Event):
    """Prompts that were looked for and that an endpoint's worker has begun, with the ids of their jobs at RunPod."""

    is_kept = False

    kind: Literal["jobs_found"] = "jobs_found"
    jobs: dict[str, str]


class FilesKept(_Event):
    """Input files that this worker keeps: next time it is enough to name them."""

    is_kept = False

    kind: Literal["files_kept"] = "files_kept"
    sha256: tuple[Sha256, ...]


class FilesMissing(_Event):
    """Input files that were only named and that the worker does not have. Nothing ran: send the job again with them."""

    kind: Literal["files_missing"] = "files_missing"
    sha256: tuple[Sha256, ...]


class FilesCollected(_Event):
    """The end of a job that only had to send outputs again; their bytes came before, as FileChunk events.

    *missing* are the ones that this worker does not have; another worker may.
    """

    kind: Literal["files_collected"] = "files_collected"
    sha256: tuple[Sha256, ...]
    """the files that were sent"""
    missing: tuple[Sha256, ...] = ()
    """the files that this worker does not have; another one may have them"""


class Omitted(_Event):
    """In a job's output: an event whose bytes only the stream delivered, because all would be too much to repeat."""

    is_kept = False

    kind: Literal["omitted"] = "omitted"


class PromptFinished(_Event):
    """ComfyUI's ``execution_success``. It is only a part of the prompt that succeeded when there are *node_errors*."""

    kind: Literal["prompt_finished"] = "prompt_finished"
    timestamp: int
    history: HistoryEntry
    node_errors: dict[str, Any] = {}
    """ComfyUI's own, by node: nodes that it refused when it accepted the rest of the prompt"""


class PromptFailed(_Event):
    """ComfyUI's ``execution_error``: *error* is its payload without the prompt id."""

    kind: Literal["prompt_failed"] = "prompt_failed"
    error: dict[str, Any]
    history: HistoryEntry
    diagnostics: dict[str, Any] = {}


class PromptInterrupted(_Event):
    """ComfyUI's ``execution_interrupted``: *details* is its payload without the prompt id."""

    kind: Literal["prompt_interrupted"] = "prompt_interrupted"
    details: dict[str, Any]
    history: HistoryEntry


class PromptRejected(_Event):
    """ComfyUI in the worker answered POST /prompt with 400: nothing ran. Both objects are ComfyUI's own."""

    kind: Literal["prompt_rejected"] = "prompt_rejected"
    error: dict[str, Any]
    node_errors: dict[str, Any] = {}
    diagnostics: dict[str, Any] = {}


class WorkerFailed(_Event):
    """The worker could not run the prompt; not the prompt's fault."""

    kind: Literal["worker_failed"] = "worker_failed"
    error_type: str
    message: str
    diagnostics: dict[str, Any] = {}


class Unknown(_Event):
    """An event of a newer worker, or one that is only shown and cannot be read; skipped."""

    kind: Literal["unknown"] = "unknown"
    name: str


Ending = (
    PromptFinished | PromptFailed | PromptInterrupted | PromptRejected | WorkerFailed | FilesMissing | FilesCollected
)
"""Exactly one of these is the last event of a run."""

WorkerEvent = (
    WorkerState
    | PromptChanged
    | NodeWaits
    | PromptStarted
    | NodesCached
    | NodeStarted
    | NodesProgressed
    | StepProgress
    | Preview
    | NodeMessage
    | MessagesSkipped
    | PackFilesDiffer
    | CatalogTold
    | CatalogPiece
    | NodeFrame
    | NodeText
    | NodeOutput
    | FilesSaved
    | NodeBlocked
    | FileChunk
    | JobsFound
    | FilesKept
    | Omitted
    | Ending
    | Unknown
)

KINDS = frozenset(model.model_fields["kind"].default for model in get_args(WorkerEvent) if model is not Unknown)
"""every kind of event that this version knows"""
RESULTS = frozenset(
    model.model_fields["kind"].default for model in (*get_args(Ending), NodeOutput, FilesSaved, FileChunk)
)
"""the others are only shown: one that cannot be read is left out, because the job is paid"""
