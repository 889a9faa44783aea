"""WorkerPath: an input of a node that names a file or folder by its whole path, which only the worker knows."""

from pydantic import BaseModel, ConfigDict

from wire.files import Folder

PATHS_MAX = 10_000
"""of one job"""


class WorkerPath(BaseModel):
    """The worker puts the absolute path of *path* in its *folder* into the input. *path* is data from outside: confine
    before use; when it is empty the folder itself is meant.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    node: str
    input: str
    folder: Folder
    path: str

    @property
    def relative(self) -> str:
        """The same path from ComfyUI's base folder, which is right where the folders have not been moved."""
        return f"{self.folder}/{self.path}" if self.path else self.folder
