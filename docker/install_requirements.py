"""Installs what all custom nodes require, in one resolution, and names the node that does not fit. Run in the build.

The first argument is the folder of the nodes. The others are uv's: constraints, and the requirements of ComfyUI and of
the worker, which must be met as well. So a node may ask for an older numpy, but not for another PyTorch.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def requirements(nodes: Path) -> list[Path]:
    """The requirements.txt of each node that has one, by the node's name."""
    found = sorted(nodes.glob("*/requirements.txt"))
    return [path for path in found if path.stat().st_size]


def uv(files: Sequence[Path], base: Sequence[str], *, dry_run: bool) -> tuple[bool, str]:
    """Whether *files* can be installed together, and what uv says; a dry run resolves without installing."""
    named = [argument for file in files for argument in ("-r", str(file))]
    command = ["uv", "pip", "install", *base, *(["--dry-run"] if dry_run else []), *named]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return ran.returncode == 0, ran.stdout


def culprits(files: Sequence[Path], base: Sequence[str]) -> list[str]:
    """A sentence for each node that cannot be installed at all, or else for the first that does not fit the others."""
    alone = {file: uv([file], base, dry_run=True) for file in files}
    bad = [f"{file.parent.name}: cannot be installed here:\n{said}" for file, (fits, said) in alone.items() if not fits]
    if bad:
        return bad
    for count in range(2, len(files) + 1):
        fits, said = uv(files[:count], base, dry_run=True)
        if not fits:
            return [f"{conflict(files[:count], base)}:\n{said}"]
    return []


def conflict(files: Sequence[Path], base: Sequence[str]) -> str:
    """The last of *files* does not fit the ones before; with which one, where it is a single one."""
    last = files[-1]
    for other in files[:-1]:
        if not uv([other, last], base, dry_run=True)[0]:
            return f"{last.parent.name}: conflicts with {other.parent.name}"
    return f"{last.parent.name}: conflicts with the nodes before it, taken together"


def main(nodes: Path, base: Sequence[str]) -> None:
    files = requirements(nodes)
    if not files:
        print("no custom node has requirements")
        return
    print("requirements of " + ", ".join(file.parent.name for file in files), flush=True)
    installed, said = uv(files, base, dry_run=False)
    print(said)
    if not installed:
        found = culprits(files, base) or ["uv failed, although all of them fit together: see above"]
        sys.exit("\n".join(["The requirements of the custom nodes cannot be installed together:", *found]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
