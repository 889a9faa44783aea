"""Which of ComfyUI's routes a request means.

ComfyUI registers each route bare and under ``/api`` (server.py ``add_routes``); its router compares percent-decoded
paths, so we do too: a prompt that we failed to recognise would run on the local machine.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from urllib.parse import unquote

from wire.limits import MIB


class Route(Enum):
    PROMPT = auto()
    PROMPT_STATUS = auto()
    QUEUE = auto()
    INTERRUPT = auto()
    HISTORY = auto()
    HISTORY_ITEM = auto()
    JOBS = auto()
    JOB = auto()
    JOB_CANCEL = auto()
    JOBS_CANCEL = auto()
    SOCKET = auto()
    EXTENSIONS = auto()
    FEATURES = auto()
    NODES = auto()
    NODE = auto()
    KINDS = auto()
    MODELS = auto()
    EMBEDDINGS = auto()
    FOLDERS = auto()
    FILES = auto()
    UPLOAD = auto()
    VIEW = auto()
    ASSET = auto()
    OURS = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Matched:
    route: Route
    argument: str | None = None


_API = "(?:/api)?"
_TABLE: tuple[tuple[Route, frozenset[str], re.Pattern[str]], ...] = tuple(
    (route, frozenset(methods.split()), re.compile(pattern))
    for route, methods, pattern in (
        (Route.PROMPT, "POST", f"{_API}/prompt"),
        (Route.PROMPT_STATUS, "GET", f"{_API}/prompt"),
        (Route.QUEUE, "GET POST", f"{_API}/queue"),
        (Route.INTERRUPT, "POST", f"{_API}/interrupt"),
        (Route.HISTORY, "GET POST", f"{_API}/history"),
        (Route.HISTORY_ITEM, "GET", f"{_API}/history/([^/]+)"),
        (Route.JOBS, "GET", "/api/jobs"),
        (Route.JOBS_CANCEL, "POST", "/api/jobs/cancel"),
        (Route.JOB, "GET", "/api/jobs/([^/]+)"),
        (Route.JOB_CANCEL, "POST", "/api/jobs/([^/]+)/cancel"),
        (Route.SOCKET, "GET", f"{_API}/ws"),
        (Route.EXTENSIONS, "GET", f"{_API}/extensions"),
        (Route.FEATURES, "GET", f"{_API}/features"),
        (Route.NODES, "GET", f"{_API}/object_info"),
        (Route.NODE, "GET", f"{_API}/object_info/([^/]+)"),
        (Route.KINDS, "GET", f"{_API}/models"),
        (Route.MODELS, "GET", f"{_API}/models/([^/]+)"),
        (Route.EMBEDDINGS, "GET", f"{_API}/embeddings"),
        (Route.FOLDERS, "GET", f"{_API}/experiment/models"),
        (Route.FILES, "GET", f"{_API}/experiment/models/([^/]+)"),
        (Route.UPLOAD, "POST", f"{_API}/upload/(image|mask)"),
        (Route.VIEW, "GET HEAD", f"{_API}/view|/api/assets/([^/]+)/content"),
        # Vite names its chunks <name>-<8 characters of the content's hash>.<type>
        (Route.ASSET, "GET HEAD", r"/assets/[^?]*-[A-Za-z0-9_-]{8}\.[a-z0-9]+"),
        (Route.OURS, "GET HEAD POST", r"(?:/runpod(?:/.*)?|/extensions/comfy-runpod/.*)"),
    )
)

CATALOGED = frozenset(
    {Route.NODES, Route.NODE, Route.KINDS, Route.MODELS, Route.EMBEDDINGS, Route.FOLDERS, Route.FILES}
)
"""lists of nodes and models, which become those of the endpoint"""

MERGED = CATALOGED | frozenset(
    {
        *(Route.PROMPT_STATUS, Route.QUEUE, Route.HISTORY, Route.HISTORY_ITEM, Route.JOBS, Route.JOB),
        *(Route.EXTENSIONS, Route.FEATURES, Route.JOBS_CANCEL),
    }
)
"""ComfyUI's answer is read and changed, so it cannot be streamed."""

MERGED_MAX = 16 * MIB
"""bytes of such an answer; a longer one passes unchanged"""

CATALOGED_MAX = 64 * MIB
"""the same of a list of nodes or models: ComfyUI 0.33.0 has 3 MiB of nodes, and packs with long lists much more"""

READ = frozenset(
    {Route.PROMPT, Route.QUEUE, Route.INTERRUPT, Route.HISTORY, Route.JOB_CANCEL, Route.JOBS_CANCEL, Route.OURS}
)
"""The request's body is read here."""

BODY_MAX: Mapping[Route, int] = dict.fromkeys(READ, MIB) | {Route.PROMPT: 16 * MIB}
"""bytes of a body that is read: RunPod takes 10 MiB of a prompt, and a list of ten thousand ids has half a megabyte"""


def merged_max(found: Route) -> int:
    """The most bytes of ComfyUI's answer that are read here."""
    return CATALOGED_MAX if found in CATALOGED else MERGED_MAX


@lru_cache(maxsize=1024)
def route(method: str, path: str) -> Matched:
    """The route of a request line; *path* may carry a query."""
    decoded = unquote(path.partition("?")[0].partition("#")[0])
    for found, methods, pattern in _TABLE:
        if method in methods and (match := pattern.fullmatch(decoded)):
            return Matched(found, match[1] if pattern.groups else None)
    return Matched(Route.OTHER)


def path_for_log(path: str) -> str:
    """The beginning of the path, without its query, which may hold a token."""
    return path.partition("?")[0][:200]
