"""RunPod's REST API v2, which makes templates and endpoints. Source: https://docs.runpod.io/api-reference-v2"""

import json
from collections.abc import Mapping
from typing import Any

import requests

from wire.plain_text import one_line

_TIMEOUT_S = 30
_ANSWER_MAX = 16 * 1024 * 1024
_PIECE = 64 * 1024

Body = Mapping[str, Any]


class ApiRefused(Exception):
    """The API's answer, in its own words (``application/problem+json``)."""


class ApiUnavailable(Exception):
    """The API does not answer."""


class RestApi:
    """The API at *base*. Every method raises ApiRefused and ApiUnavailable."""

    def __init__(self, base: str, key: str) -> None:
        self.base = base.rstrip("/")
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"Bearer {key}", "User-Agent": "comfy-runpod-deploy"})

    def find(self, kind: str, name: str) -> Body | None:
        """The item of *kind* (``templates``, ``serverless``) that is called *name*."""
        listed = self._call("GET", kind)
        items = [item for items in listed.values() if isinstance(items, list) for item in items]
        found = [item for item in items if isinstance(item, dict) and item.get("name") == name and item.get("id")]
        if len(found) > 1:
            raise ApiRefused(f"there are {len(found)} {kind} called {name}: delete all but one, or give another --name")
        return found[0] if found else None

    def create(self, kind: str, body: Body) -> Body:
        return self._call("POST", kind, body)

    def change(self, kind: str, item: str, body: Body) -> Body:
        """Change the fields of *body*, and no others."""
        return self._call("PATCH", f"{kind}/{item}", body)

    def gpus(self) -> object:
        """The catalogue of GPUs, for ``gpu_catalog.read_pools``."""
        return self._call("GET", "catalog/gpus?include=AVAILABILITY&product=SERVERLESS")

    def _call(self, method: str, path: str, body: Body | None = None) -> dict[str, Any]:
        try:
            with self._http.request(
                method, f"{self.base}/{path}", json=body, timeout=_TIMEOUT_S, stream=True
            ) as answer:  # fmt: skip
                text = _text(answer)
        except requests.RequestException as error:
            raise ApiUnavailable(f"{self.base} does not answer: {error}") from error
        if not answer.ok:
            raise ApiRefused(f"{method} {path}: {_problem(answer.status_code, text)}")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ApiRefused(f"{method} {path}: the answer is not a JSON object; check the address {self.base}")
        return value


def _text(answer: requests.Response) -> bytes:
    text = b""
    for piece in answer.iter_content(_PIECE):
        text += piece
        if len(text) > _ANSWER_MAX:
            raise requests.RequestException("its answer is too long")
    return text


def _problem(status: int, text: bytes) -> str:
    hint = " (check that RUNPOD_API_KEY is right and may write)" if status in (401, 403) else ""
    try:
        body = json.loads(text)
        details = "; ".join([body["detail"], *body.get("errors", ())])
    except (ValueError, KeyError, TypeError):
        details = text[:300].decode(errors="replace")
    return f"{status} {one_line(details, 2000)}{hint}"
