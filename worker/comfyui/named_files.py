"""Whether a prompt names only files in ComfyUI's folders: ComfyUI before 0.33.0 opens a file anywhere."""

from typing import Any

from wire.file_inputs import refusals_where_it_runs, suspects
from worker.comfyui.client import ComfyClient, PromptRefused


async def check_named_files(workflow: dict[str, Any], comfy: ComfyClient) -> None:
    """Raises PromptRefused, in ComfyUI's words, for a name that leads out; and ComfyUnreachable.

    Only the classes of nodes with an odd text are asked for: the definitions of all are megabytes.
    """
    nodes = suspects(workflow)
    kinds = sorted({node["class_type"] for node in nodes.values()})
    infos = {kind: await comfy.node_definition(kind) for kind in kinds}
    if node_errors := refusals_where_it_runs(nodes, infos):
        message = "Prompt outputs failed validation"
        error = {"type": "prompt_outputs_failed_validation", "message": message, "details": "", "extra_info": {}}
        raise PromptRefused(error, node_errors)
