"""The command line of scripts/send-to-runpod.py: parse, build, print."""

import asyncio
import json
import logging
import secrets
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from client.deployment import JOB_TIMEOUT_S
from client.send.order import JobOutcome, Order, carry_out
from client.send.prompts import Changes, OrderRefused
from client.send.terminal import Terminal
from client.workflow.overrides import SEED_MAX
from engine.errors import CannotStart
from engine.settings import Settings, SettingsError, load_settings
from wire.plain_text import one_line, printable

_VIEWED = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".mp4", ".webm", ".mov", ".flac", ".mp3", ".wav", ".glb"}
)
_LONGEST = 1000
"""of a sentence, which may repeat a workflow's words"""
_FILE = click.Path(path_type=Path)


def _seed(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "random":
        return value
    if not value.isdigit():
        raise click.BadParameter("must be a number or the word random")
    return int(value)


@click.command(context_settings={"max_content_width": 120})
@click.option(
    "-w",
    "--workflow",
    "workflows",
    type=_FILE,
    multiple=True,
    help="Workflow file, in API format or as the page saves it, or a result that holds one; may be repeated.",
)
@click.option("--page", is_flag=True, help="Let ComfyUI's page convert the workflow, in a Chromium that nobody sees.")
@click.option("--api", is_flag=True, help="Of a result that holds both formats, send what ran.")
@click.option(
    "-i",
    "--images",
    type=_FILE,
    multiple=True,
    help="Input file of the workflow, or a folder of them; may be repeated.",
)
@click.argument("more_images", type=_FILE, nargs=-1, metavar="[IMAGE]...")
@click.option(
    "--input",
    "inputs",
    type=_FILE,
    default=lambda: Path.cwd() / "input",
    help="Folder with further input files. [input/ here]",
)
@click.option(
    "-o", "--output", type=_FILE, default=lambda: Path.cwd() / "output", help="Folder for the results. [output/ here]"
)
@click.option("--endpoint", help="Id of the endpoint. [RUNPOD_ENDPOINT_ID]")
@click.option("--set", "changes", multiple=True, metavar="NODE.INPUT=VALUE", help="Change an input; may be repeated.")
@click.option(
    "--seed", callback=_seed, metavar="NUMBER|random", help="Set every seed; with --count, one more for each job."
)
@click.option("--count", type=click.IntRange(1, 1000), default=1, help="Number of jobs. [1]")
@click.option(
    "--timeout",
    default=float(JOB_TIMEOUT_S),
    help=f"Seconds that a job may take before it is cancelled; 0 for no limit. [{JOB_TIMEOUT_S}]",
)
@click.option("--preview", type=_FILE, help="Write the newest preview picture into this file.")
@click.option("--no-open", is_flag=True, help="Do not open the results.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each job, and open nothing.")
@click.option("--resume", metavar="ID", help="Follow a job that was submitted before.")
def main(
    *,
    preview: Path | None,
    no_open: bool,
    as_json: bool,
    endpoint: str | None,
    seed: int | str | None,
    changes: tuple[str, ...],
    count: int,
    **chosen: Any,
) -> None:
    """Run a workflow on RunPod: submit it, show its progress, save and open the results.

    Ctrl-C cancels the job. RUNPOD_API_KEY and RUNPOD_ENDPOINT_ID come from the environment or .env; without them the
    sandbox endpoint is used (make endpoint).
    """
    logging.basicConfig(level=logging.CRITICAL)  # what goes wrong is printed as a sentence
    images = (*chosen.pop("images"), *chosen.pop("more_images"))
    number = seed if isinstance(seed, int) else None
    changed = Changes(changes, number, random_seed=seed == "random", count=count)
    order = Order(images=images, changes=changed, timeout_s=chosen.pop("timeout"), **chosen)
    try:
        settings = load_settings(runpod_endpoint_id=endpoint)
        outcomes = _run(order, settings, preview)
    except SettingsError as error:
        _give_up(str(error), 2)
    except (OrderRefused, CannotStart) as error:
        _give_up(one_line(str(error), _LONGEST), 1)
    if not as_json:
        for path in dict.fromkeys(path for outcome in outcomes for path in outcome.files):
            click.echo(path)
    for outcome in outcomes:
        click.echo(json.dumps(outcome.as_json())) if as_json else _tell(outcome)
    if not no_open and not as_json:
        _open(outcomes)
    sys.exit(0 if all(outcome.completed for outcome in outcomes) else 1)


def _run(order: Order, settings: Settings, preview: Path | None) -> list[JobOutcome]:
    with Terminal(Console(stderr=True), preview) as terminal:
        return asyncio.run(carry_out(order, settings, terminal, lambda: secrets.randbelow(SEED_MAX)))


def _tell(outcome: JobOutcome) -> None:
    about = outcome.as_json()
    if not outcome.completed:
        text = outcome.error or f"{about['status']}"
        click.echo(f"{about['id'] or 'not submitted'}: {printable(text)}", err=True)
    if about["status"] in ("pending", "running") and about["id"]:
        click.echo(f"to follow it again: send-to-runpod.py --resume {about['id']}", err=True)
    if about["executed_s"] is not None:
        click.echo(f"queued {about['queued_s'] or 0:.1f} s, executed {about['executed_s']:.1f} s", err=True)


def _open(outcomes: list[JobOutcome]) -> None:
    for outcome in outcomes:
        for path in outcome.files:
            if path.suffix.lower() in _VIEWED:
                click.launch(str(path))


def _give_up(text: str, status: int) -> None:
    click.echo(text, err=True)
    sys.exit(status)
