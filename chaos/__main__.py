"""``python -m chaos``: the whole product as processes, faults by a seed, and a verdict on its promises."""

import asyncio
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from chaos.arena import fight
from chaos.verdict import Verdict


@click.command()
@click.option("--seed", type=int, help="Which faults happen when; by default another each time.")
@click.option("--faults", default=500, show_default=True, help="How many happen at most.")
@click.option("--minutes", default=30.0, show_default=True, help="How long they go on at most.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="A new folder for all files; temporary.")
def main(seed: int | None, faults: int, minutes: float, keep: Path | None) -> None:
    """Lose requests and answers, kill and pause processes, and see whether a result is lost or paid for twice."""
    seed = int(time.time()) if seed is None else seed
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="comfy-runpod-chaos-") as temporary:
        home = keep or Path(temporary)
        home.mkdir(parents=True, exist_ok=keep is None)
        click.echo(f"seed {seed}, at most {faults} faults in {minutes:g} minutes; files in {home}")
        verdict, happened, pressed = asyncio.run(fight(home.resolve(), seed, faults, minutes, click.echo))
    for line in report(seed, verdict, happened, pressed):
        click.echo(line)
    sys.exit(0 if verdict.kept else 1)


def report(seed: int, verdict: Verdict, happened: Counter[str], pressed: int) -> list[str]:
    """The lines of the verdict; details follow the numbers that should have been 0."""
    rows: list[tuple[str, int, list[str]]] = [
        ("results that RunPod has finished and the disk has not", len(verdict.lost), verdict.lost),
        ("prompts called completed without their whole result", len(verdict.false_successes), verdict.false_successes),
        ("submissions of a prompt, at most", verdict.most_submissions, []),
        ("jobs at RunPod that are not written down", len(verdict.unrecorded), verdict.unrecorded),
        ("files of ours left in the output folder", len(verdict.litter), list(verdict.litter)),
        ("jobs that have not ended", len(verdict.running), verdict.running),
        ("results saved", verdict.saved, []),
        ("refetches", verdict.refetches, []),
        ("counted apart: the only copy died with a killed worker", len(verdict.died), verdict.died),
        ("submissions without a usable answer whose job was found later", verdict.found, []),
        ("submissions without a usable answer, never begun by a worker", verdict.uncertain, []),
    ]
    lines = [f"seed {seed}: {happened.total()} faults, {pressed} prompts"]
    lines += [f"  {count:5} × {name}" for name, count in happened.most_common()]
    for name, count, details in rows:
        lines += [f"{count:7}  {name}", *(f"           {detail}" for detail in details)]
    return [*lines, "the promises were kept" if verdict.kept else "PROMISES WERE BROKEN"]


if __name__ == "__main__":
    main()
