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

from bench import jobs, pages, traffic
from bench.process import Target, bare_mitmproxy, measurable
from bench.report import Row, table, write
from tests.support.browser import chromium
from tests.support.stack import Stack, running_stack

RESULTS = Path(__file__).parent / "results.json"


@click.command()
@click.option(
    "--only", default="", help="Measure only what has this word: requests, memory, answer, start, delivery, pages."
)
def main(only: str) -> None:
    """Measure the product on this machine."""
    rows = asyncio.run(_measured(only))
    write(rows, _machine(), RESULTS)
    Console(width=None if sys.stdout.isatty() else 140).print(table(rows))
    click.echo(f"All samples: {RESULTS}")


async def _measured(only: str) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="comfy-runpod-bench-") as home:
        async with _stack(Path(home)) as (stack, bare):
            for name, measure in _measurements(stack, bare).items():
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


def _measurements(stack: Stack, bare: Target) -> dict[str, Callable[[], Awaitable[list[Row]]]]:
    proxy = Target("proxy", stack.url, stack.process.pid)
    direct = Target("direct", stack.comfyui_url)
    output = stack.home / "sandbox" / "output"
    return {
        "requests": _if(
            measurable(), "requests", "needs Linux's /proc", lambda: traffic.passed_through(proxy, bare, direct)
        ),
        "memory": _if(
            measurable(), "memory", "needs Linux's /proc", lambda: traffic.large_download(proxy, bare, direct, output)
        ),
        "answer": lambda: jobs.answer_time(stack),
        "start": lambda: _one(jobs.start_time(stack)),
        "delivery": lambda: _one(jobs.delivery_time(stack)),
        "pages": _if(bool(chromium()), "pages", "needs Chromium", lambda: pages.page_loads(proxy, direct)),
    }


def _if(
    possible: bool, name: str, reason: str, measure: Callable[[], Awaitable[list[Row]]]
) -> Callable[[], Awaitable[list[Row]]]:
    async def skip() -> list[Row]:
        return [Row(name, "", [], skipped=reason)]

    return measure if possible else skip


async def _one(row: Awaitable[Row]) -> list[Row]:
    return [await row]


def _machine() -> dict[str, str]:
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "processors": str(os.cpu_count()),
    }


if __name__ == "__main__":
    main()
