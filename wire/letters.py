"""Letters: what a page answers to a node that waits for a person, on its way to the ComfyUI that runs the prompt. Pure.

RunPod has no channel to a job that runs. So the proxy writes a job's letters, in order, into one object of the volume
or the bucket, the job's letter box, and the worker reads it while the prompt runs. Both ends judge each letter here.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from wire import plain_json
from wire.errors import WireError
from wire.files import Url, Volume, decode_bytes, encode_bytes
from wire.limits import MIB

LETTERS_FOLDER = "comfy-runpod/letters"
"""in the bucket, and on the volume"""
LETTER_MAX = MIB
"""bytes of the body of one letter: an answer names what was chosen, and holds a text"""
LETTERS_MAX, LETTERS_BYTES_MAX = 100, 4 * MIB
"""letters in a box, and bytes of their bodies together: the oldest go, which were read long ago"""
BOX_MAX = 8 * MIB
"""bytes of a box: bodies in base64, and what is around them"""
PATH_MAX = 2_000
"""characters of a letter's path with its query"""

_PATH = re.compile(r"/[!-~]*")
_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})|%2[fF]|%5[cC]")
"""a percent sign that stands for nothing, and encoded separators: two programs may read them differently"""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\\%]")
_BOX = re.compile(rf"{LETTERS_FOLDER}/[0-9a-f]{{64}}")

_COMFYUI = frozenset(
    {
        *("assets", "docs", "embeddings", "experiment", "extensions", "features", "free", "global_subgraphs"),
        *("history", "i18n", "internal", "interrupt", "jobs", "models", "node_replacements", "object_info", "prompt"),
        *("queue", "scripts", "settings", "system_stats", "tags", "templates", "upload", "userdata", "users", "v2"),
        *("view", "view_metadata", "workflow_templates", "ws"),
    }
)
"""first parts of ComfyUI's own routes, of 0.3.64, 0.8.0 and 0.33.0: server.py, app/, api_server/"""
_MANAGER = frozenset({"comfyui_manager", "customnode", "externalmodel", "manager", "model", "snapshot"})
"""the same of ComfyUI-Manager, also below ``v2``: it installs nodes and restarts ComfyUI"""
_OWN = _COMFYUI | _MANAGER | {"runpod"}
_ABOUT_THE_MACHINE = frozenset(
    {"download", "install", "pip", "reboot", "reinstall", "restart", "shutdown", "uninstall"}
)
"""words in the routes with which packs change or restart the ComfyUI that they are in"""
_WORD = re.compile(r"[a-z]+")


def may_travel(path: str) -> bool:
    """Whether a POST to *path*, which may have a query, may be repeated to the worker's ComfyUI: the route of a custom
    node, never one of ComfyUI's own, however it is written.

    ComfyUI's router compares the path after it has decoded it once (aiohttp, ``UrlDispatcher.resolve``).
    """
    if len(path) > PATH_MAX or _PATH.fullmatch(path) is None or "#" in path:
        return False
    encoded = path.partition("?")[0]
    try:
        decoded = unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        return False
    if _ENCODED.search(encoded) or _CONTROLS.search(decoded):
        return False
    parts = [part.casefold() for part in decoded.split("/")[1:]]
    return all(part not in ("", ".", "..") for part in parts) and _is_of_a_custom_node(parts)


def _is_of_a_custom_node(parts: list[str]) -> bool:
    while parts and parts[0] == "api":
        parts = parts[1:]
    words = {word for part in parts for word in _WORD.findall(part)}
    return bool(parts) and parts[0] not in _OWN and not words & _ABOUT_THE_MACHINE


def _checked_path(path: str) -> str:
    if not may_travel(path):
        raise ValueError("is not a route of a custom node")
    return path


def _checked_body(body: str) -> str:
    if len(body) > LETTER_MAX * 4 // 3 + 4:
        raise ValueError("is too large")
    return body


class Letter(BaseModel):
    """One POST of the page: where to, and what was in it. Nothing else of the request travels."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    run: str
    """the run of the job (see wire/batch.py) whose node has asked: another run of the same job asks again"""
    path: Annotated[str, AfterValidator(_checked_path)]
    """with its query"""
    content_type: Annotated[str, Field(pattern=r"^[ -~]{0,300}$")] = ""
    body: Annotated[str, AfterValidator(_checked_body)] = Field(default="", repr=False)
    """base64"""

    @classmethod
    def of(cls, *, id: str, run: str, path: str, content_type: str, body: bytes) -> "Letter":  # noqa: A002
        """Raises ValueError when it must not travel."""
        return cls(id=id, run=run, path=path, content_type=content_type, body=encode_bytes(body))

    def content(self) -> bytes:
        """The body; raises WireError when it is not base64."""
        return decode_bytes(self.body)


def newest(letters: Iterable[Letter]) -> tuple[Letter, ...]:
    """The last of *letters*, as many as a box takes."""
    kept: list[Letter] = []
    room = LETTERS_BYTES_MAX * 4 // 3 + 4 * LETTERS_MAX  # base64, and how it is filled up
    for letter in reversed([*letters][-LETTERS_MAX:]):
        room -= len(letter.body)
        if room < 0:
            break
        kept.append(letter)
    return tuple(reversed(kept))


def encode_letters(letters: Iterable[Letter]) -> bytes:
    """A box with *letters* in it."""
    return json.dumps({"letters": [letter.model_dump(mode="json") for letter in letters]}).encode()


def decode_letters(content: bytes) -> tuple[Letter, ...]:
    """The letters in a box; one that must not travel, or that nobody can read, is left out.

    Raises WireError when it is not a box, or only the beginning of one.
    """
    try:
        items = plain_json.loads(content)["letters"] if content else []
    except (ValueError, KeyError, TypeError) as error:
        raise WireError("not a letter box") from error
    if not isinstance(items, list):
        raise WireError("not a letter box")
    return tuple(letter for item in items[:LETTERS_MAX] for letter in _letter(item))


def _letter(item: object) -> Iterable[Letter]:
    try:
        return (Letter.model_validate(item),)
    except ValidationError:
        return ()


def box_key(name: str) -> str:
    """Where the box is in the bucket or on the volume; *name* is its secret, of 64 hexadecimal digits."""
    return f"{LETTERS_FOLDER}/{name}"


def box_of(value: object) -> Url | Volume | None:
    """A job's letter box as its request names it; None without one, or with one that this version cannot read: that
    costs no job.
    """
    if isinstance(value, Url | Volume):
        return value
    if not isinstance(value, Mapping):
        return None
    kind: type[Url | Volume] = Volume if value.get("kind") == "volume" else Url
    try:
        box = kind.model_validate(value)
    except ValidationError:
        return None
    return None if isinstance(box, Volume) and _BOX.fullmatch(box.path) is None else box
