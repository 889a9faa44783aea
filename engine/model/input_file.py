"""InputFile: a local file that a prompt names, and whether ComfyUI can show it."""

from dataclasses import dataclass
from enum import Enum, auto

from wire.files import Folder


class Presence(Enum):
    """What is known about a file that a prompt names."""

    THERE = auto()
    """ComfyUI has it, and it may be sent"""
    MISSING = auto()
    LINKED_OUT = auto()
    """a link leads to a file outside ComfyUI's folders"""
    UNVERIFIED = auto()
    """ComfyUI has it, but the proxy cannot check whether it is such a link"""


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a node reads; *value* is the text in the prompt that names it."""

    node_id: str
    input_name: str
    value: str
    folder: Folder
    path: str
    """relative to the folder, confined"""
    certain: bool = True
    """False: one choice among several that looks like a file name; it is a file only if ComfyUI has one of that name"""

    @property
    def worker_path(self) -> str:
        """Its path in the worker's input folder: files from other folders get a subfolder of their own."""
        return self.path if self.folder == "input" else f"{self.folder}/{self.path}"
