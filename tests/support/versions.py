"""The releases of ComfyUI on which the suites have run, and which one a run has before it."""

import os
import re
from pathlib import Path

from tests.support.stack import PROJECT

COMFYUIS = tuple((PROJECT / "tests" / "comfyui-versions.txt").read_text(encoding="utf-8").split())


def version_of(checkout: Path) -> str:
    """As ``/system_stats`` says it; raises OSError for a folder that is not a ComfyUI."""
    text = (checkout / "comfyui_version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    return found[1] if found else "unknown"


def told(checkout: str | None) -> str:
    """What a run of the tests says of the ComfyUI in the folder *checkout*; empty without one."""
    if not checkout:
        return ""
    try:
        version = version_of(Path(checkout))
    except OSError as error:
        return f"COMFYUI_DIR={checkout} is not a ComfyUI: {error}"
    if version in COMFYUIS:
        return f"ComfyUI {version} (COMFYUI_DIR)"
    return (
        f"ComfyUI {version} (COMFYUI_DIR) is not in tests/comfyui-versions.txt: the suites have not run on it so far. "
        "Add it when nothing fails."
    )


def of_this_run() -> str:
    return told(os.environ.get("COMFYUI_DIR"))
