#!/usr/bin/env python3
"""Create or update RunPod's template and serverless endpoint for the worker's image. Running it again changes nothing.

It speaks RunPod's REST API v2 (https://docs.runpod.io/api-reference-v2) with RUNPOD_API_KEY of the environment or .env.
"""

import _project  # noqa: F401  # isort: skip  first of all: has this run by the project's interpreter

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import requests
from dotenv import load_dotenv

PROJECT = Path(__file__).resolve().parents[1]
MIN_CUDA = "12.8"
"""of the wheels in docker/constraints.txt"""
TIMEOUT_S = 30
HIDDEN = "[hidden]"


class Refused(click.ClickException):
    """What the API answers, in its own words (``application/problem+json``)."""


class Api:
    """RunPod's REST API; with *dry_run* requests are printed instead of sent."""

    def __init__(self, base: str, key: str, *, dry_run: bool) -> None:
        self._base, self._dry_run = base.rstrip("/"), dry_run
        self._http = requests.Session()
        self._http.headers.update({"Authorization": f"Bearer {key}", "User-Agent": "comfy-runpod-deploy"})

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        """The one of *kind* (``templates``, ``serverless``) that bears *name*."""
        listed = self._call("GET", kind)
        found = [item for items in listed.values() if isinstance(items, list) for item in items if item["name"] == name]
        if len(found) > 1:
            raise Refused(f"there are {len(found)} {kind} called {name}: delete all but one, or give another --name")
        return found[0] if found else None

    def put(self, kind: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """*wanted* is there when this returns: created, changed, or found as it should be."""
        known = self.find(kind, wanted["name"])
        if known is None:
            made = self._call("POST", kind, wanted)
            self._say(kind, f"{wanted['name']} created ({made.get('id')})", f"PATCH {kind}/ID instead if it exists")
            return made
        changes = differences(wanted, known)
        if not changes:
            self._say(kind, f"{wanted['name']} is as it should be ({known['id']})")
            return known
        changed = self._call("PATCH", f"{kind}/{known['id']}", changes)
        self._say(kind, f"{wanted['name']} changed ({known['id']}): {', '.join(sorted(changes))}")
        return changed

    def _say(self, kind: str, done: str, instead: str = "") -> None:
        click.echo(f"# {instead}" if self._dry_run else f"{kind}: {done}")

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._dry_run:
            click.echo(f"{method} {self._base}/{path}")
            if body is not None:
                click.echo(json.dumps(shown(body), indent=2))
            return {}
        try:
            answer = self._http.request(method, f"{self._base}/{path}", json=body, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            raise click.ClickException(f"{self._base} does not answer: {error}") from error
        if not answer.ok:
            raise Refused(f"{method} {path}: {problem(answer)}")
        value: dict[str, Any] = answer.json()
        return value


def problem(answer: requests.Response) -> str:
    """One sentence of an error answer."""
    hint = " (is RUNPOD_API_KEY right, and may it write?)" if answer.status_code in (401, 403) else ""
    try:
        body = answer.json()
        details = "; ".join([body["detail"], *body.get("errors", ())])
    except (ValueError, KeyError, TypeError):
        details = answer.text[:300]
    return f"{answer.status_code} {details}{hint}"


def differences(wanted: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """What a PATCH must say. It replaces ``env`` as a whole: variables that were set elsewhere are kept."""
    changes = {key: value for key, value in wanted.items() if key != "type" and not same(value, known.get(key))}
    if "env" in changes:
        changes["env"] = {**(known.get("env") or {}), **wanted["env"]}
    return changes


def same(wanted: Any, known: Any) -> bool:
    """Whether *known* has all that is *wanted*; what the API adds to it does not count."""
    if isinstance(wanted, dict) and isinstance(known, dict):
        return all(same(value, known.get(key)) for key, value in wanted.items())
    return bool(wanted == known)


def shown(body: dict[str, Any]) -> dict[str, Any]:
    """*body* for eyes: the values of environment variables may be secrets."""
    return {**body, "env": dict.fromkeys(body["env"], HIDDEN)} if body.get("env") else body


def default_image() -> str:
    """The name that scripts/build.sh would give the image."""
    printed = subprocess.run(
        [PROJECT / "scripts" / "build.sh", "--dry-run"], capture_output=True, text=True, check=True
    ).stdout.split()
    return printed[printed.index("--tag") + 1]


def variables(given: tuple[str, ...]) -> dict[str, str]:
    """``NAME=value``, or ``NAME`` for its value here."""
    found = dict[str, str]()
    for item in given:
        name, has_value, value = item.partition("=")
        if not has_value and name not in os.environ:
            raise click.ClickException(f"--env {name}: there is no such variable here")
        found[name] = value if has_value else os.environ[name]
    return found


@click.command(help=__doc__)
@click.option("--name", default="comfy-runpod", show_default=True, help="Of the template and the endpoint.")
@click.option("--image", help="Default: the image of scripts/build.sh.")
@click.option("--gpu-pool", "pools", multiple=True, default=("ADA_24",), show_default=True, help="May be repeated.")
@click.option("--min-workers", default=0, show_default=True, help="Workers that always run, and always cost.")
@click.option("--max-workers", default=3, show_default=True)
@click.option("--idle-timeout", default=10, show_default=True, help="Paid seconds for which a worker waits for more.")
@click.option("--queue-delay", default=4.0, show_default=True, help="Seconds in the queue before another worker comes.")
@click.option("--timeout", "timeout_s", default=1800, show_default=True, help="Seconds that a job may take.")
@click.option("--disk", default=20, show_default=True, help="GB of the container's own disk.")
@click.option("--flashboot", default="FLASHBOOT", show_default=True, help="Or OFF, or PRIORITY_FLASHBOOT.")
@click.option("--volume", envvar="RUNPOD_VOLUME_ID", help="Network volume with the models.")
@click.option("--datacenter", envvar="RUNPOD_DATACENTER", help="Must be the volume's.")
@click.option("--registry", help="Id of RunPod's credentials for a private registry.")
@click.option("--env", "env", multiple=True, help="NAME=value, or NAME to hand on its value here. May be repeated.")
@click.option("--dry-run", is_flag=True, help="Print the requests; values of variables are hidden.")
def main(name: str, image: str | None, pools: tuple[str, ...], *, dry_run: bool, **options: Any) -> None:
    key = os.environ.get("RUNPOD_API_KEY", "")
    if not key and not dry_run:
        raise click.ClickException("set RUNPOD_API_KEY to a key that may write (runpod.io, Settings, API keys)")
    base = os.environ.get("RUNPOD_REST_BASE_URL") or "https://api.runpod.io/v2"
    api = Api(base, key, dry_run=dry_run)
    container = container_settings(image or default_image(), options)
    template = api.put("templates", template_body(name, container))
    endpoint = api.put("serverless", endpoint_body(name, container, pools, options))
    if not dry_run:
        click.echo(f"template {template['id']}")
        click.echo(f"RUNPOD_ENDPOINT_ID={endpoint['id']}")


def container_settings(image: str, options: dict[str, Any]) -> dict[str, Any]:
    settings = {"image": image, "disk": options["disk"], "env": variables(options["env"])}
    return settings | ({"registry": options["registry"]} if options["registry"] else {})


def template_body(name: str, container: dict[str, Any]) -> dict[str, Any]:
    """Without the SSH and Jupyter that templates get unless told otherwise."""
    return {"name": name, "serverless": True, "public": False, "startSsh": False, "startJupyter": False, **container}


def endpoint_body(
    name: str, container: dict[str, Any], pools: tuple[str, ...], options: dict[str, Any]
) -> dict[str, Any]:
    """The container's settings are repeated: RunPod reads a template once, later changes of it reach no endpoint."""
    body = {
        "name": name,
        "type": "QUEUE",
        **container,
        "gpu": {"pools": list(pools), "count": 1, "minCudaVersion": MIN_CUDA},
        "workers": {
            "min": options["min_workers"],
            "max": options["max_workers"],
            "idleTimeout": options["idle_timeout"],
        },
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": options["queue_delay"]},
        "flashboot": options["flashboot"],
        "timeout": options["timeout_s"] * 1000,
        "networkVolumes": [options["volume"]] if options["volume"] else [],
    }
    return body | ({"dataCenterIds": [options["datacenter"]]} if options["datacenter"] else {})


if __name__ == "__main__":
    load_dotenv(PROJECT / ".env")
    sys.exit(main())
