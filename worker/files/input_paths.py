"""Writes the whole paths of input files and folders into a prompt: only the worker knows where its folders are."""

from typing import Any

from wire.job import JobRequest
from wire.names import NameRefused, confined_path
from wire.paths import WorkerPath
from worker.files.input_staging import BadInput
from worker.folders import Folders


def with_whole_paths(request: JobRequest, folders: Folders) -> JobRequest:
    """*request* with the paths that it asks for in its workflow. Raises BadInput for a path that leads out of ComfyUI's
    folders, or an input that is not there.
    """
    if not request.paths:
        return request
    workflow = dict(request.workflow)
    for path in request.paths:
        node: Any = workflow.get(path.node)
        if not isinstance(node, dict) or not isinstance(node.get("inputs"), dict) or path.input not in node["inputs"]:
            raise BadInput(f"node {path.node[:200]!r} has no input {path.input[:200]!r} for a path")
        workflow[path.node] = {**node, "inputs": {**node["inputs"], path.input: _whole(path, folders)}}
    return request.model_copy(update={"workflow": workflow})


def _whole(path: WorkerPath, folders: Folders) -> str:
    """Links are followed by whoever opens the file, as for every path that a prompt names."""
    root = folders.root(path.folder)
    try:
        return str(root / confined_path(path.path) if path.path else root)
    except NameRefused as error:
        raise BadInput(f"input path {path.path[:200]!r}: {error}") from error
