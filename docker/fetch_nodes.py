"""Fetches the custom nodes of a list into a folder, each at its pinned commit. Run in the image's build."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

_COMMIT = re.compile(r"[0-9a-f]{40}")
_FOLDER = re.compile(r"[A-Za-z0-9][\w.-]*")


def checked(node: Any) -> tuple[str, str, str]:
    """Address, commit and folder of one entry; ends the build with a sentence when it is not whole."""
    if not isinstance(node, dict) or not str(node.get("url", "")).startswith("https://"):
        sys.exit(f"custom_nodes.yaml: {node!r} needs a `url` that begins with https://")
    if not _COMMIT.fullmatch(str(node.get("commit", ""))):
        sys.exit(f"custom_nodes.yaml: {node['url']} needs its `commit`, all 40 digits: a branch or tag can move")
    folder = str(node.get("folder") or node["url"].rstrip("/").rsplit("/", 1)[-1].removesuffix(".git"))
    if not _FOLDER.fullmatch(folder):
        sys.exit(f"custom_nodes.yaml: {folder!r} is no name of a folder")
    return node["url"], node["commit"], folder


def fetch(url: str, commit: str, target: Path) -> None:
    """The files of one commit, with its submodules and without its history."""
    git = ("git", "-C", str(target), "-c", "advice.detachedHead=false")
    target.mkdir(parents=True)
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "fetch", "--quiet", "--depth", "1", url, commit], check=True)
    subprocess.run([*git, "checkout", "--quiet", commit], check=True)
    (target / ".commit").write_text(f"{commit}\n", encoding="utf-8")  # .git does not come into the image
    subprocess.run([*git, "submodule", "update", "--quiet", "--init", "--recursive", "--depth", "1"], check=True)


def main(listed: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    nodes = (yaml.safe_load(listed.read_text(encoding="utf-8")) or {}).get("nodes") or []
    for url, commit, folder in map(checked, nodes):
        print(f"{folder}: {url} at {commit}", flush=True)
        fetch(url, commit, target / folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
