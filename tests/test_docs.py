"""What README.md and .env.example promise is what the code has."""

import re
from pathlib import Path

import pytest

from proxy.settings import Settings
from worker.settings import Settings as WorkerSettings

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
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


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:[a-z-]+/)+[\w.-]*)`", README))))
def test_a_path_in_the_readme_exists(path: str) -> None:
    made_by_commands = {"docker/ComfyUI", "bench/results.json"}

    assert path in made_by_commands or (PROJECT / path).exists()


def test_the_newcomer_sees_the_two_commands_first() -> None:
    block = README.split("```")[1]

    assert re.search(r"git clone .* make proxy", block)
    assert "make test" in block
