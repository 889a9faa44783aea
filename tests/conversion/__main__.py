"""The converter against ComfyUI's own page: ``python -m tests.conversion``; tests/README.md says how."""

import argparse
import asyncio
import sys
from pathlib import Path

from tests.conversion.comparing import compare
from tests.conversion.recording import Checkout, record, record_random


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare the workflow converter with ComfyUI's own page.")
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record what the page of a running ComfyUI sends")
    for name, about in (("home", "ComfyUI's folder"), ("python", "its interpreter"), ("url", "where it answers")):
        recording.add_argument(name, help=about)
    by_chance = commands.add_parser("record-random", help="record random graphs that the page of a ComfyUI makes")
    by_chance.add_argument("url", help="where it answers")
    by_chance.add_argument("--count", type=int, default=200)
    comparing = commands.add_parser("compare", help="convert the recorded workflows, and compare")
    for command in (recording, by_chance, comparing):
        command.add_argument("truth", type=Path, help="the folder of the records")
    chosen = parser.parse_args()
    if chosen.command == "record":
        asyncio.run(record(Checkout(Path(chosen.home), Path(chosen.python)), chosen.url, chosen.truth))
        return 0
    if chosen.command == "record-random":
        asyncio.run(record_random(chosen.url, chosen.truth, chosen.count))
        return 0
    return _compared(chosen.truth)


def _compared(truth: Path) -> int:
    found = compare(truth)
    for name, differences in found.different.items():
        print(f"different: {name}", *differences, sep="\n    ")
    for kind, texts in (("refused", found.refused), ("not sent by the page", found.page_failed)):
        for name, text in texts.items():
            print(f"{kind}: {name}: {text.splitlines()[0]}")
    print(found.summary())
    return 1 if found.different else 0


if __name__ == "__main__":
    sys.exit(main())
