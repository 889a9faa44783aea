"""The command line of scripts/doctor.py: parse, build, print."""

import asyncio
import json
import sys

import click

from client.doctor.checks import check_python, examine
from client.doctor.finding import Finding, as_json, lines
from engine.settings import SettingsError, load_settings


@click.command(context_settings={"max_content_width": 120})
@click.option(
    "--worker", is_flag=True, help="Also ask a worker for its version. This may start a worker, which costs money."
)
@click.option("--json", "for_machines", is_flag=True, help="Print one JSON object.")
def main(*, worker: bool, for_machines: bool) -> None:
    """Check this set-up, and say what is wrong and how to fix it.

    Each line begins with ok, WRONG, or - (not set up). The exit status is 0 when nothing is wrong.
    """
    findings = _findings(ask_worker=worker)
    report = as_json(findings)
    if for_machines:
        click.echo(json.dumps(report))
    else:
        for line in lines(findings):
            click.echo(line)
    sys.exit(0 if report["ok"] else 1)


def _findings(*, ask_worker: bool) -> list[Finding]:
    try:
        settings = load_settings()
    except SettingsError as error:
        mend = "correct it in .env or the environment; README.md explains each setting"
        return [check_python(), *(Finding("settings", "wrong", line, mend) for line in error.lines)]
    return asyncio.run(examine(settings, ask_worker=ask_worker))
