"""JobRequest and JobResult: RunPod's ``input`` and ``output``."""

import base64
import binascii
import hashlib
import posixpath
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from wire.batch import Batch, decode_batch
from wire.errors import WireError
from wire.files import FileRef, Inline, Streamed, Url, Volume, Wanted
from wire.graph import PAGE_FORMAT, is_page_format
from wire.letters import box_of
from wire.limits import PROTOCOL, PROTOCOL_SOURCES, PROTOCOL_TEXTS, REQUEST_NESTING_MAX
from wire.models import ModelRef, decode_models
from wire.packs import PACK_FILES_MAX, PackFile
from wire.paths import PATHS_MAX, WorkerPath
from wire.plain_json import is_deeper
from wire.texts import TEXTS_MAX, EmbeddedText

ACCOUNT_KEYS = ("auth_token_comfy_org", "api_key_comfy_org")
"""the sign-in of a Comfy account in ``extra_data`` (ComfyUI 0.33.0, execution.py SENSITIVE_EXTRA_DATA_KEYS)"""


class JobRequest(BaseModel):
    """What a worker has to do. Unknown fields are ignored, such as the ``return_base64`` of other clients."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    workflow: dict[str, Any]
    """the prompt in ComfyUI's API format: node id -> {"class_type", "inputs"}"""
    prompt_id: str | None = None
    extra_data: dict[str, Any] = {}
    files: tuple[FileRef, ...] = ()
    targets: tuple[str, ...] | None = None
    """ComfyUI's ``partial_execution_targets``"""
    models: tuple[ModelRef, ...] = ()
    """what must be there before the prompt runs"""
    fetches: tuple[str, ...] = ()
    """the sources (``url``, ``volume``) from which whoever sent this can fetch large outputs; else they are streamed"""
    find: tuple[str, ...] = ()
    """prompts that the sender may have submitted, without an answer: a worker that ran one names its job (JobsFound)"""
    letters: Annotated[Url | Volume | None, BeforeValidator(box_of)] = None
    """the job's letter box, in which the page's answers to its nodes arrive (see wire/letters.py)"""
    paths: tuple[WorkerPath, ...] = Field(default=(), max_length=PATHS_MAX)
    """inputs into which the worker writes a whole path; until then they have one from ComfyUI's base folder"""
    texts: tuple[EmbeddedText, ...] = Field(default=(), max_length=TEXTS_MAX)
    """long texts of *workflow* and *extra_data*, which have empty ones in their places"""
    packs: tuple[PackFile, ...] = Field(default=(), max_length=PACK_FILES_MAX)
    """data files of custom node packs as the sender has them; the worker names the ones that differ there"""
    catalog: str | None = Field(default=None, max_length=64)
    """the SHA-256 of the catalog that the sender has of this endpoint, empty if it has none; then the worker tells of
    its own (CatalogTold). Without a *workflow* and without *collect* it does nothing else"""
    collect: tuple[Wanted, ...] = ()
    """outputs of an earlier job to send again; then nothing runs, and *workflow* is empty"""


def account_tokens(extra_data: Mapping[str, Any]) -> dict[str, str]:
    """What of *extra_data* must never be stored, shown or logged."""
    return {name: value for name in ACCOUNT_KEYS if isinstance(value := extra_data.get(name), str) and value}


def encode_request(request: JobRequest) -> dict[str, Any]:
    """RunPod's ``input`` in this project's own spelling."""
    body = request.model_dump(mode="json", exclude_none=True)
    return {"protocol": _needed_protocol(request), **body}


def _needed_protocol(request: JobRequest) -> int:
    plain = all(isinstance(file.source, Inline | Streamed) for file in request.files)
    if request.texts:
        return PROTOCOL_TEXTS
    return PROTOCOL if plain and not request.collect else PROTOCOL_SOURCES


def decode_request(value: object) -> JobRequest:
    """A request in any of the three spellings (ours, ``reference_images``, worker-comfyui's ``images``).

    Raises WireError with one sentence that says what is wrong with the input.
    """
    if not isinstance(value, dict):
        raise WireError("`input` must be an object")
    if not isinstance(value.get("workflow"), dict) or not (
        value["workflow"] or value.get("collect") or value.get("catalog") is not None
    ):
        raise WireError("`input.workflow` must be a prompt in ComfyUI's API format")
    if is_page_format(value["workflow"]):
        raise WireError(f"`input.workflow`: {PAGE_FORMAT}")
    if is_deeper(value, REQUEST_NESTING_MAX):
        raise WireError(f"`input` is nested more than {REQUEST_NESTING_MAX} levels deep")
    if value.get("protocol", PROTOCOL) not in (PROTOCOL, PROTOCOL_SOURCES, PROTOCOL_TEXTS):
        raise WireError(f"the request speaks protocol {value['protocol']!r}, this worker {PROTOCOL_TEXTS}")
    models = decode_models(value.get("models"))
    try:
        request = JobRequest.model_validate({**value, "models": models})
    except ValidationError as error:
        raise WireError(f"unreadable `input`: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
    extra_data = request.extra_data | _foreign_key(value)
    return request.model_copy(update={"files": request.files + _foreign_files(value), "extra_data": extra_data})


def _foreign_key(value: dict[str, Any]) -> dict[str, str]:
    """worker-comfyui's name for what ComfyUI's API nodes look for in ``extra_data``."""
    key = value.get("comfy_org_api_key")
    return {"api_key_comfy_org": key} if isinstance(key, str) and key else {}


def _foreign_files(value: dict[str, Any]) -> tuple[FileRef, ...]:
    references = value.get("reference_images") or {}
    images = value.get("images") or []
    if not isinstance(references, dict) or not isinstance(images, list):
        raise WireError("`reference_images` must be an object, `images` a list")
    try:
        named = [*references.items(), *((item["name"], item["image"]) for item in images)]
    except (KeyError, TypeError) as error:
        raise WireError("each of `images` needs `name` and `image`") from error
    return tuple(_inline_input(name, data) for name, data in named)


def _inline_input(path: object, data: object) -> FileRef:
    if not isinstance(path, str) or not isinstance(data, str):
        raise WireError("an image needs a name and base64 text")
    text = data.partition(",")[2] if data.startswith("data:") else data
    try:
        content = base64.b64decode(text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise WireError(f"image {path!r} is not base64") from error
    subfolder, filename = posixpath.split(path)
    digest = hashlib.sha256(content).hexdigest()
    return FileRef(
        filename=filename,
        subfolder=subfolder,
        type="input",
        sha256=digest,
        size=len(content),
        source=Inline.of(content),
    )


def decode_result(output: object) -> tuple[Batch, ...]:
    """The batches of a finished job's aggregated ``output``; empty when the platform dropped it for its size.

    Raises WireError when the output is not a list of our batches.
    """
    if output is None or output == []:
        return ()
    if not isinstance(output, list):
        raise WireError("the job's output is not a list of batches: check that the endpoint runs this project's image")
    return tuple(decode_batch(item) for item in output)
