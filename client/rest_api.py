"""RunPod's REST API v2, which makes templates and endpoints. Source: https://docs.runpod.io/api-reference-v2"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import requests

_TIMEOUT_S = 30
_HIDDEN = "[hidden]"

Body = dict[str, Any]


class ApiRefused(Exception):
    """The API's answer, in its own words (``application/problem+json``)."""


class ApiUnavailable(Exception):
    """The API does not answer."""


class RestApi:
    """The API at *base*; *say* takes lines for the person. A *dry_run* prints requests and sends none."""

    def __init__(self, base: str, key: str, say: Callable[[str], None], *, dry_run: bool) -> None:
        self._base, self._say, self._dry_run = base.rstrip("/"), say, dry_run
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"Bearer {key}", "User-Agent": "comfy-runpod-deploy"})

    def ensure(self, kind: str, wanted: Body) -> Body:
        """The item of *kind* (``templates``, ``serverless``) with the name of *wanted*, which has all of it now.

        It is created, changed, or left alone. Raises ApiRefused, ApiUnavailable.
        """
        known = self._find(kind, wanted["name"])
        if known is None:
            made = self._call("POST", kind, wanted)
            self._report(kind, f"{wanted['name']} created ({made.get('id')})", f"PATCH {kind}/ID instead if it exists")
            return made
        changes = differences(wanted, known)
        if not changes:
            self._report(kind, f"{wanted['name']} is as it should be ({known['id']})")
            return known
        changed = self._call("PATCH", f"{kind}/{known['id']}", changes)
        self._report(kind, f"{wanted['name']} changed ({known['id']}): {', '.join(sorted(changes))}")
        return changed

    def _find(self, kind: str, name: str) -> Body | None:
        listed = self._call("GET", kind)
        found = [item for items in listed.values() if isinstance(items, list) for item in items if item["name"] == name]
        if len(found) > 1:
            raise ApiRefused(f"there are {len(found)} {kind} called {name}: delete all but one, or give another --name")
        return found[0] if found else None

    def _report(self, kind: str, done: str, instead: str = "") -> None:
        self._say(f"# {instead}" if self._dry_run else f"{kind}: {done}")

    def _call(self, method: str, path: str, body: Body | None = None) -> Body:
        if self._dry_run:
            self._say(f"{method} {self._base}/{path}")
            if body is not None:
                self._say(json.dumps(without_secrets(body), indent=2))
            return {}
        try:
            answer = self._http.request(method, f"{self._base}/{path}", json=body, timeout=_TIMEOUT_S)
        except requests.RequestException as error:
            raise ApiUnavailable(f"{self._base} does not answer: {error}") from error
        if not answer.ok:
            raise ApiRefused(f"{method} {path}: {_problem(answer)}")
        value: Body = answer.json()
        return value


def _problem(answer: requests.Response) -> str:
    hint = " (check that RUNPOD_API_KEY is right and may write)" if answer.status_code in (401, 403) else ""
    try:
        body = answer.json()
        details = "; ".join([body["detail"], *body.get("errors", ())])
    except (ValueError, KeyError, TypeError):
        details = answer.text[:300]
    return f"{answer.status_code} {details}{hint}"


def differences(wanted: Mapping[str, Any], known: Mapping[str, Any]) -> Body:
    """The body of the PATCH that gives *known* all that is *wanted*.

    A PATCH replaces ``env`` as a whole, so it repeats the variables that were set elsewhere.
    """
    changes = {key: value for key, value in wanted.items() if key != "type" and not _has_all(known.get(key), value)}
    if "env" in changes:
        changes["env"] = {**(known.get("env") or {}), **wanted["env"]}
    return changes


def _has_all(known: Any, wanted: Any) -> bool:
    """Whether *known* agrees with *wanted*; what the API adds to an object does not count."""
    if isinstance(wanted, dict) and isinstance(known, dict):
        return all(_has_all(known.get(key), value) for key, value in wanted.items())
    return bool(wanted == known)


def without_secrets(body: Body) -> Body:
    """*body* for the screen: the values of environment variables may be secrets."""
    return {**body, "env": dict.fromkeys(body["env"], _HIDDEN)} if body.get("env") else body
