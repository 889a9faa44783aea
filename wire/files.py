"""FileRef: one file, known by its content, with the place where its bytes are."""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from wire.errors import WireError

Folder = Literal["input", "output", "temp"]
"""ComfyUI's three folders (``folder_paths.py``); the ``type`` of its file items."""
FOLDERS: tuple[Folder, ...] = ("input", "output", "temp")

MODEL_ENDINGS = (".glb", ".gltf", ".obj", ".fbx", ".stl", ".usdz", ".ply", ".splat", ".spz", ".ksplat")
"""3D files, which an output may name by their path alone (ComfyUI's Preview3D, under ``result``)"""

INPUTS_FOLDER, OUTPUTS_FOLDER = "comfy-runpod/inputs", "comfy-runpod/outputs"
JOBS_FOLDER = "comfy-runpod/jobs"
"""in the bucket, and on the volume"""


class _Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Inline(_Source):
    """The bytes themselves, base64."""

    kind: Literal["inline"] = "inline"
    data: str = Field(repr=False)

    @classmethod
    def of(cls, content: bytes) -> "Inline":
        return cls(data=encode_bytes(content))

    def content(self) -> bytes:
        """The bytes; raises WireError when *data* is not base64."""
        return decode_bytes(self.data)


class Streamed(_Source):
    """The bytes came before, as FileChunk events with this transfer number."""

    kind: Literal["stream"] = "stream"
    transfer: int = Field(ge=0)


class Url(_Source):
    """The bytes are to be fetched from a bucket. The signed address is a secret while it is valid."""

    kind: Literal["url"] = "url"
    url: str = Field(repr=False)


class Volume(_Source):
    """The bytes lie on the endpoint's network volume; *path* is relative to its root: confine before use."""

    kind: Literal["volume"] = "volume"
    path: str


class Cached(_Source):
    """The bytes were sent before: the receiver has them by their SHA-256, or answers that they are missing."""

    kind: Literal["cached"] = "cached"


Source = Annotated[Inline | Streamed | Url | Volume | Cached, Field(discriminator="kind")]

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def input_key(sha256: str) -> str:
    """Where an input file is in the bucket, and on the volume, where it is in the worker's cache at once."""
    return f"{INPUTS_FOLDER}/{sha256}"


def output_key(prompt_id: str, sha256: str) -> str:
    """Where an output file is in the bucket or on the volume until somebody fetched it."""
    return f"{OUTPUTS_FOLDER}/{prompt_id}/{sha256}"


class FileRef(BaseModel):
    """A file under one of ComfyUI's folders. *filename* and *subfolder* are data from outside: confine before use."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filename: str
    subfolder: str = ""
    type: Folder
    sha256: Sha256
    size: int = Field(ge=0)
    source: Source


class MissingFile(BaseModel):
    """A file that ComfyUI named as a result and that the worker could not send."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filename: str
    subfolder: str = ""
    type: Folder
    reason: str
    """a sentence"""


class Wanted(BaseModel):
    """An output that is to be sent again from byte *start* on, as FileChunk events with its place in the request."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    filename: str
    subfolder: str = ""
    type: Folder
    sha256: Sha256
    start: int = Field(ge=0)


def encode_bytes(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def decode_bytes(text: str) -> bytes:
    """The bytes of base64 *text*; raises WireError when it is not base64."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)  # b64decode(validate=True) takes thrice as long
    except (binascii.Error, ValueError) as error:
        raise WireError(f"not base64: {error}") from error
