"""The releases of ComfyUI's frontend that people have, as scripts/frontends.sh lays them out."""

from pathlib import Path

from tests.support.stack import PROJECT

VERSIONS = tuple((PROJECT / "tests" / "frontends.txt").read_text(encoding="utf-8").split())
MISSING = "run scripts/frontends.sh (make test does) to test with frontend"


def frontend_root(version: str) -> Path:
    """What ``--front-end-root`` takes; it may not be there."""
    return PROJECT / ".venv" / "frontends" / version / "comfyui_frontend_package" / "static"
