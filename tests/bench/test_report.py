import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.report import Limit, Row, percentile, table, write

SLOW = Row("GET", "ms", [2.0, 4.0, 60.0], {"bare": [1.0, 2.0, 20.0]}, Limit(1.5, "bare"))
QUICK = Row("answer", "ms", [3.0, 5.0], {}, Limit(50))
SKIPPED = Row("pages", "", [], skipped="needs Chromium")


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    assert SLOW.ratio("bare") == 2.0
    assert SLOW.median == 4.0


def test_a_limit_is_met_or_missed() -> None:
    assert SLOW.met is False
    assert QUICK.met is True
    assert SKIPPED.met is None


def test_the_table_shows_what_was_skipped_and_why() -> None:
    console = Console(record=True, width=140, file=None)

    console.print(table([SLOW, QUICK, SKIPPED]))

    text = console.export_text()
    assert "≤ 1.5 × bare" in text
    assert "missed" in text
    assert "needs Chromium" in text


def test_the_file_holds_every_sample(tmp_path: Path) -> None:
    write([SLOW, SKIPPED], {"processors": "2"}, tmp_path / "results.json")

    written = json.loads((tmp_path / "results.json").read_text())

    assert written["rows"][0]["samples"] == {"proxy": [2.0, 4.0, 60.0], "bare": [1.0, 2.0, 20.0]}
    assert written["rows"][1] == {"name": "pages", "skipped": "needs Chromium"}


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)])
def test_a_percentile_is_one_of_the_samples(percent: float, expected: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == expected
