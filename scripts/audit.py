#!/usr/bin/env python3
"""Asks which packages of uv.lock have a known advisory, and which of those are not accepted (`make audit`).

The asking is uv's (`uv audit`, by default of OSV); here is the list of what is accepted, with an end for each entry.
Exit status: 0 all is well, 1 an advisory that is not accepted, 2 the list or uv is at fault, 3 nobody could be asked.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[1]
ACCEPTED = Path(__file__).with_name("accepted-advisories.toml")
WELL, FOUND, BROKEN, NOT_ASKED = 0, 1, 2, 3
_FIELDS = {"id": str, "package": str, "why": str, "until": date}
_ASKING_S = 300
_PREVIEW = ("--preview-features", "audit-command", "--preview-features", "json-output")
_UNREACHED = ("error sending request", "error decoding response", "HTTP status", "timed out", "dns error")
"""what uv says when the service does not answer, or not as it should"""


class AuditFailed(Exception):
    """*status* is the command's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An advisory that may be there, up to and including the day *until*."""

    id: str
    package: str
    why: str
    until: date


@dataclass(frozen=True, slots=True)
class Advisory:
    """One that uv has found; *ids* are all its names."""

    ids: frozenset[str]
    package: str
    about: str

    def is_meant_by(self, acceptance: Acceptance) -> bool:
        return acceptance.id in self.ids and acceptance.package == self.package


def main() -> int:
    parser = argparse.ArgumentParser(prog="make audit", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accepted", type=Path, default=ACCEPTED, help="the list of what is accepted")
    parser.add_argument("--service-url", help="another service that answers as OSV does, such as one of your own")
    parser.add_argument("--if-reachable", action="store_true", help="say it and succeed when nobody can be asked")
    parser.add_argument("--project", type=Path, default=PROJECT, help="the folder of uv.lock")
    parser.add_argument("--today", type=date.fromisoformat, default=date.today(), help="judge as on this day")
    chosen = parser.parse_args()
    try:
        accepted = read_accepted(chosen.accepted)
        lines, is_well = verdict(ask(chosen.project, chosen.service_url), accepted, chosen.today)
    except AuditFailed as error:
        print(f"audit: {error}", file=sys.stderr)
        return WELL if chosen.if_reachable and error.status == NOT_ASKED else error.status
    print("\n".join(lines))
    return WELL if is_well else FOUND


def read_accepted(path: Path) -> list[Acceptance]:
    """Raises AuditFailed with one sentence that names the entry."""
    try:
        value = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AuditFailed(f"{path}: {error}", BROKEN) from error
    entries = value.get("accepted", [])
    if not isinstance(entries, list) or set(value) - {"accepted"}:
        raise AuditFailed(f"{path}: it is a list of [[accepted]] and nothing else", BROKEN)
    found = [_acceptance(entry, f"{path}: entry {number}") for number, entry in enumerate(entries, 1)]
    if len({(one.id, one.package) for one in found}) < len(found):
        raise AuditFailed(f"{path}: an advisory is there twice", BROKEN)
    return found


def _acceptance(entry: Any, where: str) -> Acceptance:
    if not isinstance(entry, dict) or set(entry) != set(_FIELDS):
        raise AuditFailed(f"{where} has other fields than {', '.join(_FIELDS)}", BROKEN)
    for name, kind in _FIELDS.items():
        if type(entry[name]) is not kind or not str(entry[name]).strip():
            raise AuditFailed(f"{where}: {name} is not a {'date' if kind is date else 'text'}", BROKEN)
    return Acceptance(**entry)


def verdict(found: list[Advisory], accepted: list[Acceptance], today: date) -> tuple[list[str], bool]:
    """What to say, and whether all is well."""
    lines, is_well = [], True
    for advisory in sorted(found, key=lambda one: (one.package, one.about)):
        reason = next((one for one in accepted if advisory.is_meant_by(one)), None)
        if reason is None:
            lines.append(f"NOT ACCEPTED  {advisory.about}")
        elif today > reason.until:
            lines.append(f"EXPIRED       {advisory.about}, accepted until {reason.until}: {reason.why}")
        else:
            lines.append(f"accepted      {advisory.about}, until {reason.until}: {reason.why}")
            continue
        is_well = False
    unneeded = [one for one in accepted if not any(advisory.is_meant_by(one) for advisory in found)]
    lines += [f"not needed    {one.package}: {one.id} was not found; take it off the list" for one in unneeded]
    bad = sum(line.startswith(("NOT", "EXPIRED")) for line in lines)
    return [*lines, f"{len(found)} advisories, {bad} of them not accepted"], is_well


def ask(project: Path, service_url: str | None) -> list[Advisory]:
    """What uv finds for the lock in *project*, which stays as it is. Raises AuditFailed."""
    command = [_uv(), "audit", "--frozen", "--output-format", "json", *_PREVIEW]
    if service_url is not None:
        command += ["--service-url", service_url]
    environ = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "1", "UV_PYTHON_DOWNLOADS": "never"}
    try:
        done = subprocess.run(
            command,
            cwd=project,
            env=os.environ | environ,
            capture_output=True,
            text=True,
            timeout=_ASKING_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AuditFailed(f"the advisory service did not answer within {_ASKING_S} s", NOT_ASKED) from error
    if done.returncode not in (0, 1):
        said = " ".join(done.stderr.split())
        status = NOT_ASKED if any(words in done.stderr for words in _UNREACHED) else BROKEN
        about = "nobody could be asked about advisories" if status == NOT_ASKED else "uv audit failed"
        raise AuditFailed(f"{about}: {said[:500]}", status)
    return _advisories(done.stdout)


def _advisories(text: str) -> list[Advisory]:
    try:
        return [_advisory(item) for item in json.loads(text)["vulnerabilities"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AuditFailed(f"uv audit answered in an unknown form: {type(error).__name__} {error}", BROKEN) from error


def _advisory(item: dict[str, Any]) -> Advisory:
    package, version = str(item["dependency"]["name"]), str(item["dependency"]["version"])
    names = frozenset(map(str, (item["id"], *(item.get("aliases") or ()))))
    fixed = ", ".join(map(str, item.get("fix_versions") or ())) or "nowhere yet"
    summary = " ".join(str(item.get("summary") or "").split())[:200]
    return Advisory(names, package, f"{package} {version}: {', '.join(sorted(names))} (fixed in {fixed}) {summary}")


def _uv() -> str:
    """The project's own, which its lock brings, else one that is installed."""
    own = Path(sys.executable).with_name("uv")
    found = str(own) if own.exists() else shutil.which("uv") or shutil.which("uv", path=str(PROJECT / ".uv" / "bin"))
    if found is None:
        raise AuditFailed("uv is missing: make setup", BROKEN)
    return found


if __name__ == "__main__":
    sys.exit(main())
