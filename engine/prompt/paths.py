"""What becomes of the paths in a prompt's texts: files to send, texts to change, or a refusal on the node. Pure.

The worker has other folders than this machine, and most nodes that cannot find a file go on with a black picture or an
empty text. So what lies in ComfyUI's folders is sent, and a path of this machine that leads elsewhere is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from engine.model.input_file import InputFile
from engine.prompt.path_texts import PathText, PathUse, is_of_a_machine, is_on_volume
from wire.files import Folder
from wire.graph import Prompt
from wire.node_errors import own_check, refuse
from wire.paths import WorkerPath

_SHOWN = 200


class PathKind(Enum):
    """What lies at a path."""

    FILE = auto()
    FOLDER = auto()
    NOTHING = auto()
    UNSEEN = auto()
    """ComfyUI's folders are not on this machine, so nobody can look"""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A path as it was found. Outside ComfyUI's three folders *folder* is None."""

    kind: PathKind
    folder: Folder | None = None
    path: str = ""
    """relative to *folder*, with ``/``; empty for the folder itself"""
    files: tuple[str, ...] = ()
    """of a folder: the files in it, relative to *folder*"""
    problem: str = ""
    """why the files cannot be sent, as the end of a sentence about them"""


NOTHING = LocalPath(PathKind.NOTHING)


@dataclass(frozen=True, slots=True)
class PathFindings:
    """Of a whole prompt."""

    files: tuple[InputFile, ...] = ()
    """to be sent; one that is not *certain* is sent if ComfyUI has it"""
    unseen: tuple[InputFile, ...] = ()
    """the files among them for which ComfyUI has to be asked"""
    places: tuple[tuple[WorkerPath, tuple[InputFile, ...]], ...] = ()
    """what the worker has to write into an input, and the files without which the text stays as it is"""
    choices: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """node and input -> the folder's name on the worker, where it has another one"""
    node_errors: Mapping[str, Any] = field(default_factory=dict)
    """ComfyUI's, for the paths that are refused"""


def path_findings(prompt: Prompt, found: Iterable[tuple[PathText, LocalPath]], *, worker_paths: bool) -> PathFindings:
    """The findings for texts and what they name here. *worker_paths*: the person has allowed paths of the worker."""
    files, unseen = list[InputFile](), list[InputFile]()
    places = list[tuple[WorkerPath, tuple[InputFile, ...]]]()
    choices, errors = dict[tuple[str, str], str](), dict[str, Any]()
    for text, local in found:
        sent = () if _makes(text, local) else _files(text, local)
        if reason := _refusal(text, local, worker_paths=worker_paths):
            refuse(errors, prompt, text.node_id, own_check(text.input_name, reason, text.text[:_SHOWN]))
            continue
        files += sent
        unseen += sent if local.kind is PathKind.UNSEEN else ()
        if text.use is PathUse.CHOICE:
            if local.kind is PathKind.FOLDER and local.folder != "input":
                choices[text.node_id, text.input_name] = f"{local.folder}/{local.path}"
        elif (place := _place(text, local, sent)) is not None:
            places.append((place, sent if local.kind is PathKind.UNSEEN else ()))
    return PathFindings(tuple(files), tuple(unseen), tuple(places), choices, errors)


def with_places(
    prompt: Prompt, findings: PathFindings, there: Iterable[InputFile]
) -> tuple[dict[str, Any], tuple[WorkerPath, ...]]:
    """The prompt for a worker, and what the worker itself has to write into it. *there* are the files that are sent."""
    sent = set(there)
    places = tuple(place for place, needed in findings.places if sent.issuperset(needed))
    texts = {**findings.choices, **{(place.node, place.input): place.relative for place in places}}
    changed: dict[str, Any] = dict(prompt)
    for (node_id, name), text in texts.items():
        node = changed[node_id]
        changed[node_id] = {**node, "inputs": {**node["inputs"], name: text}}
    return changed, places


def _makes(text: PathText, local: LocalPath) -> bool:
    """Whether the node writes there, or means a folder that is everywhere: nothing has to be sent."""
    if text.writes:
        return True
    is_root = not local.path and text.use is PathUse.TEXT
    if local.folder == "input":
        return is_root and text.is_default
    return local.kind is not PathKind.FILE and (text.saves or is_root)


def _files(text: PathText, local: LocalPath) -> tuple[InputFile, ...]:
    if local.folder is None:
        return ()
    match local.kind:
        case PathKind.FILE:
            paths: tuple[str, ...] = (local.path,)
        case PathKind.UNSEEN:
            paths = (local.path,) if local.path else ()
        case PathKind.FOLDER if not text.wants_file:
            paths = local.files
        case _:
            paths = ()
    certain = local.kind is not PathKind.UNSEEN or text.use is PathUse.MARKED or text.path.startswith("/")
    return tuple(InputFile(text.node_id, text.input_name, text.text, local.folder, path, certain) for path in paths)


def _refusal(text: PathText, local: LocalPath, *, worker_paths: bool) -> str:
    """Why the text is refused, as a sentence; empty when it is not."""
    if local.folder is not None:
        is_read = not text.wants_file and not _makes(text, local)
        return f"{text.path[:_SHOWN]!r}: {local.problem}" if local.problem and is_read else ""
    if text.use is PathUse.CHOICE or worker_paths or is_on_volume(text.path):
        return ""
    exists = local.kind in (PathKind.FILE, PathKind.FOLDER) and not text.is_default
    if exists or is_of_a_machine(text.path):
        return (
            f"{text.path[:_SHOWN]!r} is a path on your machine. The node would look for it on the worker, which does"
            " not have it. Put it into ComfyUI's input folder, and write its path there; or copy it to the endpoint's"
            " network volume, and write its path on the worker (/runpod-volume/...). WORKER_PATHS=1 allows such texts."
        )
    return ""


def _place(text: PathText, local: LocalPath, sent: tuple[InputFile, ...]) -> WorkerPath | None:
    """Where the worker finds it: what is sent lies in its input folder. None when the text can stay as it is."""
    if local.folder is None:
        return None
    if sent:
        path = local.path if local.folder == "input" else f"{local.folder}/{local.path}".rstrip("/")
        return WorkerPath(node=text.node_id, input=text.input_name, folder="input", path=path)
    if is_of_a_machine(text.path) or text.path.startswith("/"):
        return WorkerPath(node=text.node_id, input=text.input_name, folder=local.folder, path=local.path)
    return None
