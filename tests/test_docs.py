"""What README.md and .env.example promise is what the code has."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from client.deployment import IDLE_TIMEOUT_S, JOB_TIMEOUT_S
from engine.model.job import Brief
from engine.model.states import PUBLIC_STATES, JobState
from engine.settings import Settings
from proxy.overview import shown_job
from tests.support.frontends import VERSIONS
from tests.support.help import written as written_help
from tests.support.versions import COMFYUIS
from wire.events import KINDS
from wire.ids import PromptId
from worker.settings import WorkerSettings

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
MADE_BY_COMMANDS = {"docker/ComfyUI", "bench/results.json"}
COMPUTED_DEFAULTS = {"COMFY_RUNPOD_HOME": "the user's data folder"}


def written(value: object) -> str:
    """A default as a person writes it; empty when there is none."""
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)


def shown_default(name: str) -> str:
    value = written(Settings.model_fields[name.lower()].default)
    return COMPUTED_DEFAULTS.get(name) or (f"`{value}`" if value else "–")


def settings_rows() -> list[str]:
    return [
        f"| `{name.upper()}` | {shown_default(name.upper())} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]


def table_after(heading: str) -> list[str]:
    """The rows of the first table after *heading* in README.md."""
    _, found, rest = README.partition(heading)
    assert found, f"README.md lacks {heading!r}"
    lines = rest[rest.index("|---|") :].splitlines()[1:]
    return lines[: next((at for at, line in enumerate(lines) if not line.startswith("|")), len(lines))]


def test_the_settings_table_is_the_settings() -> None:
    assert table_after("## Settings") == settings_rows()


def test_the_worker_table_names_the_workers_settings() -> None:
    documented = [re.match(r"\| `(\w+)` \|", row)[1] for row in table_after("The worker reads these")]  # type: ignore[index]

    assert sorted(documented) == sorted(name.upper() for name in WorkerSettings.model_fields)


def test_the_example_file_holds_every_setting_with_its_default() -> None:
    example = (PROJECT / ".env.example").read_text(encoding="utf-8")

    assignments = re.findall(r"^#(\w+)=(.*)$", example, re.MULTILINE)

    assert [name for name, _ in assignments] == [name.upper() for name in Settings.model_fields]
    for name, value in assignments:
        assert name in COMPUTED_DEFAULTS or value == written(Settings.model_fields[name.lower()].default)


def test_the_make_targets_are_documented() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)

    documented = [re.match(r"\| `make ([a-z-]+)` \|", row)[1] for row in table_after("## Commands")]  # type: ignore[index]

    assert documented == targets
    assert sorted(re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[0].split()) == sorted(targets)


def test_the_help_of_the_scripts_is_what_they_print() -> None:
    assert written_help(README) == README, "run: .venv/bin/python -m tests.support.help"


def test_every_script_is_in_the_readme_and_can_be_started() -> None:
    scripts = list((PROJECT / "scripts").glob("[!_]*.py"))

    assert len(scripts) >= 4
    assert all(f"`scripts/{path.name}" in README for path in scripts)
    assert all(path.stat().st_mode & 0o100 for path in scripts)


@pytest.mark.parametrize("page", sorted((PROJECT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_the_links_and_paths_of_a_page_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    named = re.findall(r"`((?:[a-z-]+/)+[\w.-]*)`", text)

    assert all((page.parent / link).exists() for link in linked)
    assert all((PROJECT / path).exists() or path in MADE_BY_COMMANDS for path in named)


def test_every_page_and_picture_is_linked_from_the_readme() -> None:
    files = [path.name for path in (PROJECT / "docs").iterdir()]

    assert all(f"](docs/{name})" in README for name in files)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[a-z-]+/)+[\w.-]*)`", README))))
def test_a_path_in_the_readme_exists(path: str) -> None:
    assert path in MADE_BY_COMMANDS or (PROJECT / path).exists()


def test_the_readme_names_the_comfyuis_and_frontends_that_the_suites_ran_on() -> None:
    pinned = (PROJECT / "docker" / "comfyui-version").read_text(encoding="utf-8").strip()

    assert f"Tested with ComfyUI {listed(COMFYUIS)}, in Chromium with its frontends {listed(VERSIONS)}." in README
    assert pinned == f"v{COMFYUIS[-1]}"


def listed(names: tuple[str, ...]) -> str:
    """``1, 2 and 3``"""
    return f"{', '.join(names[:-1])} and {names[-1]}"


def test_the_newcomer_sees_the_two_commands_first() -> None:
    block = README.split("```")[1]

    assert re.search(r"git clone .* make proxy", block)
    assert "make test" in block


def test_every_state_and_member_of_a_job_is_documented() -> None:
    page = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
    brief = Brief(PromptId("p"), 0, JobState.COMPLETED, 0)

    assert all(f"`{state}`" in page for state in PUBLIC_STATES)
    assert all(f"`{member}`" in page for member in shown_job(brief, {}, 0))


def test_every_kind_of_event_is_documented() -> None:
    page = (PROJECT / "docs" / "wire.md").read_text(encoding="utf-8")

    assert all(f"`{kind}`" in page for kind in KINDS)


def test_every_border_is_in_security_md_with_as_many_cases_as_there_are() -> None:
    rows = re.findall(
        r"\| `(tests/security/\w+\.py)` \| ([\d,]+) \|", (PROJECT / "SECURITY.md").read_text(encoding="utf-8")
    )
    command = (sys.executable, "-m", "pytest", "--collect-only", "--quiet", "--numprocesses", "0", "tests/security")
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=300).stdout
    cases = Counter(line.partition("::")[0] for line in listed.splitlines() if "::" in line)

    assert dict(cases) == {path: int(count.replace(",", "")) for path, count in rows}


def seconds_said(pattern: str) -> set[int]:
    """Every number of seconds that a page of docs/ or README.md says where *pattern* begins."""
    pages = [README, *(page.read_text(encoding="utf-8") for page in (PROJECT / "docs").glob("*.md"))]
    found = [re.findall(rf"{pattern}\D{{0,60}}?(?<![\d.])([\d,]+) s\b", " ".join(page.split())) for page in pages]
    return {int(number.replace(",", "")) for numbers in found for number in numbers}


def test_the_docs_say_the_time_limits_that_the_commands_set() -> None:
    assert seconds_said(r"[Ii]dle time-?out") == {IDLE_TIMEOUT_S}
    assert seconds_said(r"[Ee]xecution (?:time-?out|of one job)") == {JOB_TIMEOUT_S}


def test_the_costs_of_a_job_are_calculated_with_the_time_that_a_worker_waits() -> None:
    page = (PROJECT / "docs" / "costs.md").read_text(encoding="utf-8")
    parts = re.search(r"\| (\d+) s start, (\d+) s job, (\d+) s idle \|", page)
    rows = re.findall(r"\| (0\.\d{5}) \| (0\.\d{3}) \|$", page, re.MULTILINE)

    assert parts is not None
    assert int(parts[3]) == IDLE_TIMEOUT_S
    assert len(rows) > 4
    assert all(f"{float(price) * sum(map(int, parts.groups())):.3f}" == cost for price, cost in rows)
