"""The help of the scripts as README.md shows it. ``python -m tests.support.help`` writes it there again."""

import re
from pathlib import Path

import click

from client import deploy
from client.doctor import cli as doctor
from client.send import cli as send
from client.sync import cli as sync
from proxy import launch

README = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK = re.compile(r"(<details><summary>Their help</summary>\n).*?(</details>)", re.DOTALL)
_WIDTH = 110

COMMANDS: dict[str, click.Command] = {
    "send-to-runpod.py": send.main,
    "sync-models.py": sync.sync,
    **{f"sync-models.py {name}": command for name, command in sync.COMMANDS.items()},
    "deploy.py": deploy.main,
    "doctor.py": doctor.main,
    "launch_comfy_with_api.py": launch.main,
}


def help_of(name: str) -> str:
    """What ``--help`` prints in a terminal of this width."""
    return COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name, terminal_width=_WIDTH))


def written(readme: str) -> str:
    """*readme* with the help of every script in its place."""
    helps = "\n".join(f"\n```text\n{help_of(name)}\n```" for name in COMMANDS)
    return _BLOCK.sub(lambda match: f"{match[1]}{helps}\n\n{match[2]}", readme)


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
