"""What a node is, and what it may do while it runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from sandbox.comfyui.folders import ComfyFolders

Images = list[Image.Image]


class Interrupted(Exception):
    """The person has stopped the prompt."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """An output that keeps the nodes behind it from running; the first of them says why, if there is a message."""

    message: str | None


@dataclass(frozen=True, slots=True)
class Context:
    """Given to a node that runs, in a thread."""

    folders: ComfyFolders
    node_id: str
    prompt: Mapping[str, Any]
    extra_pnginfo: Mapping[str, Any] | None
    hidden: Mapping[str, Any]
    """what the node asks for by the types of its hidden inputs, as far as the sandbox has it"""
    progress: Callable[[float, float, Image.Image | None], None]
    """value, max, preview; raises Interrupted"""
    deliver: Callable[[float, float, Image.Image], None]
    """value, max, a picture that is sent whole, as PNG; raises Interrupted"""
    text: Callable[[str], None]
    """shown on the node while it runs"""
    send: Callable[[str, Any], None]
    """a message of the node's own: type, data"""
    send_frame: Callable[[bytes], None]
    queue: Callable[[Mapping[str, Any]], None]
    """puts another prompt into the queue, with all else as in the one that runs"""
    check: Callable[[], None]
    """raises Interrupted"""


@dataclass(frozen=True, slots=True)
class Result:
    """*expand*: the nodes that do the rest of the work; *outputs* may then be links to them."""

    outputs: Sequence[Any] = ()
    ui: Mapping[str, Any] | None = None
    expand: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeClass:
    """An entry of /object_info, and the function behind it."""

    name: str
    run: Callable[..., Result]
    required: Mapping[str, Any]
    outputs: Sequence[str] = ()
    display_name: str | None = None
    category: str = "image"
    module: str = "nodes"
    output_node: bool = False
    hidden: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Callable[[ComfyFolders], list[str]]] = field(default_factory=dict)
    """combos whose values are read from the disk"""
    validate: Callable[[ComfyFolders, Mapping[str, Any]], str | None] | None = None
    fingerprint: Callable[[ComfyFolders, Mapping[str, Any]], object] | None = None
    """what changes when the node must run again although its inputs are the same"""
    on_prompt: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    """what becomes of its inputs when a prompt is posted, before it is validated; told to every page"""
    newer: bool = False
    """described as ComfyUI describes nodes of its newer kind (V3)"""
    deprecated: bool = False
    output_names: Sequence[str] = ()
    """the types, unless given"""
    api_node: bool = False
    """calls a paid service with the person's Comfy account"""

    def info(self, folders: ComfyFolders) -> dict[str, Any]:
        """As in GET /object_info."""
        required = {name: list(spec) for name, spec in self.required.items()}
        for name, values in self.options.items():
            required[name][0] = values(folders)
        groups: dict[str, Any] = {"required": required}
        if self.hidden:
            groups["hidden"] = {name: [kind] if self.newer else kind for name, kind in self.hidden.items()}
        described: dict[str, Any] = {
            "input": groups,
            "input_order": {group: list(inputs) for group, inputs in groups.items()},
            "output": list(self.outputs),
            "output_is_list": [False] * len(self.outputs),
            "output_name": list(self.output_names or self.outputs),
            "name": self.name,
            "display_name": self.display_name or (None if self.newer else self.name),
            "description": "",
            "python_module": self.module,
            "category": self.category,
            "output_node": self.output_node,
            "is_input_list": False,
            "has_intermediate_output": False,
            "search_aliases": [],
        }
        if self.newer:
            described |= {"output_tooltips": [None] * len(self.outputs), "output_matchtypes": None}
            described |= {"deprecated": self.deprecated, "experimental": False, "dev_only": False}
            described |= {"api_node": self.api_node, "price_badge": None, "essentials_category": None}
        else:
            described |= {"deprecated": True} if self.deprecated else {}
            described |= {"api_node": True} if self.api_node else {}
        return described
