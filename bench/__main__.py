"""``python -m bench``: starts a stack, measures, prints one table and writes bench/results.json."""

import asyncio
import contextlib
import datetime
import os
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import click
from rich.console import Console

from bench import catalogs, durability, files, jobs, lists, neighbour, pages, relay, traffic
from bench.process import Target, bare_mitmproxy, measurable
from bench.report import Row, table, write
from tests.support.browser import chromium
from tests.support.stack import Stack, running_stack

RESULTS = Path(__file__).parent / "results.json"
Measure = Callable[[], Awaitable[list[Row]]]


async def _measured(only: str) -> list[Row]:
    rows: list[Row] = []
    if any(only in name for name in ON_ONE_STACK):
        with tempfile.TemporaryDirectory(prefix="comfy-runpod-bench-") as home:
            async with _stack(Path(home)) as (stack, bare):
                rows += await _run(_measurements(stack, bare), only)
    return rows + await _run(ALONE, only)


async def _run(measurements: dict[str, Measure], only: str) -> list[Row]:
    rows: list[Row] = []
    for name, measure in measurements.items():
        if only in name:
            click.echo(f"measuring: {name}", err=True)
            rows += await measure()
    return rows


@asynccontextmanager
async def _stack(home: Path) -> AsyncIterator[tuple[Stack, Target]]:
    async with contextlib.AsyncExitStack() as exits:
        stack = await exits.enter_async_context(running_stack(home))
        bare = await exits.enter_async_context(bare_mitmproxy(stack.comfyui_url))
        yield stack, bare


def _measurements(stack: Stack, bare: Target) -> dict[str, Measure]:
    proxy = Target("proxy", stack.url, stack.process.pid)
    direct = Target("direct", stack.comfyui_url)
    output = stack.home / "sandbox" / "output"
    measures: tuple[Measure, ...] = (
        _on_linux("requests", lambda: traffic.passed_through(proxy, bare, direct)),
        _on_linux("memory", lambda: traffic.large_download(proxy, bare, direct, output)),
        lambda: jobs.answer_time(stack),
        lambda: _one(jobs.start_time(stack)),
        lambda: _one(jobs.delivery_time(stack)),
        _if(bool(chromium()), "pages", "needs Chromium", lambda: pages.page_loads(proxy, direct)),
    )
    return dict(zip(ON_ONE_STACK, measures, strict=True))


def _on_linux(name: str, measure: Measure) -> Measure:
    return _if(measurable(), name, "needs Linux's /proc", measure)


def _if(possible: bool, name: str, reason: str, measure: Measure) -> Measure:
    async def skip() -> list[Row]:
        return [Row(name, "", [], skipped=reason)]

    return measure if possible else skip


ON_ONE_STACK = ("requests", "memory", "answer", "start", "delivery", "pages")
ALONE: dict[str, Measure] = {
    "lists": lists.answered,
    "catalogs": catalogs.merged,
    "durability": durability.committed,
    "files": _on_linux("files", files.both_ways),
    "websocket": _on_linux("websocket", relay.relayed),
    "previews": _on_linux("previews", relay.memory),
    "crowd": _on_linux("crowd", neighbour.asked),
}
"""each starts what it needs"""


async def _one(row: Awaitable[Row]) -> list[Row]:
    return [await row]


def _machine() -> dict[str, str]:
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": str(os.cpu_count()),
    }


@click.command()
@click.option("--only", default="", help=f"Measure only what has this word: {', '.join((*ON_ONE_STACK, *ALONE))}.")
def main(only: str) -> None:
    """Measure the product on this machine."""
    rows = asyncio.run(_measured(only))
    write(rows, _machine(), RESULTS)
    Console(width=None if sys.stdout.isatty() else 140).print(table(rows))
    click.echo(f"All samples: {RESULTS}")


if __name__ == "__main__":
    main()
