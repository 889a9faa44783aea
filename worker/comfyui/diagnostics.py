"""The worker's failure report: enough to see what is wrong, without secrets, and never the whole prompt."""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from worker.redact import Redact

_COUNT_MAX = 10_000
"""files in a model folder; a network volume lists slowly"""
_TRACEBACK_LINES, _LINE_MAX = 40, 500


class Diagnostics:
    """*model_roots* hold a folder for each kind of model; *log_tail* returns the last lines of ComfyUI's log."""

    def __init__(
        self,
        sdk_version: str,
        data: Path,
        model_roots: Iterable[Path],
        log_tail: Callable[[], list[str]],
        redact: Redact,
    ) -> None:
        self._sdk_version, self._data, self._roots = sdk_version, data, tuple(model_roots)
        self._log_tail, self._redact = log_tail, redact
        self._withheld = Redact((), shapes=False)
        self.stats: Mapping[str, Any] = {}
        """ComfyUI's last answer to ``/system_stats``"""

    def withhold(self, secrets: Iterable[str]) -> None:
        """The running job's *secrets*, which a node may have printed, are in no report."""
        self._withheld = Redact(secrets, shapes=False)

    async def report(
        self, error_type: str, node: Mapping[str, Any] | None = None, traceback: Iterable[str] = ()
    ) -> dict[str, Any]:
        """A JSON object. *node* is an id and a class, without its inputs."""
        facts = {
            "error_type": error_type,
            "node": dict(node) if node else None,
            "traceback": [line.rstrip()[:_LINE_MAX] for line in traceback][-_TRACEBACK_LINES:],
            **versions(self.stats, self._sdk_version),
            "gpus": gpus(self.stats),
            "disk": await asyncio.to_thread(disks, (self._data, *self._roots)),
            "models": await asyncio.to_thread(model_counts, self._roots),
            "log_tail": self._log_tail(),
        }
        return dict(self._withheld.value(self._redact.value(facts)))


def versions(stats: Mapping[str, Any], sdk: str) -> dict[str, Any]:
    system = stats.get("system") or {}
    return {
        "comfyui_version": system.get("comfyui_version"),
        "python_version": str(system.get("python_version") or "").partition(" ")[0] or None,
        "torch_version": system.get("pytorch_version"),
        "runpod_sdk": sdk,
    }


def gpus(stats: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name and memory in bytes of each device that ComfyUI uses (``server.py``, ``/system_stats``)."""
    wanted = ("name", "type", "vram_total", "vram_free", "torch_vram_total", "torch_vram_free")
    return [{key: device.get(key) for key in wanted} for device in stats.get("devices") or ()]


def disks(folders: Iterable[Path]) -> dict[str, dict[str, int]]:
    """Bytes of the file systems that hold *folders*, each named once by the first folder on it."""
    found, seen = dict[str, dict[str, int]](), set[int]()
    for folder in folders:
        try:
            device = folder.stat().st_dev
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        if device not in seen:
            seen.add(device)
            found[str(folder)] = {"total": usage.total, "free": usage.free}
    return found


def model_counts(roots: Iterable[Path]) -> dict[str, dict[str, int]]:
    """How many files each kind of model has, for each of *roots*; folders without any are left out."""
    return {str(root): _counts(root) for root in roots if root.is_dir()}


def _counts(root: Path) -> dict[str, int]:
    counted = {entry.name: _files(entry) for entry in sorted(root.iterdir()) if entry.is_dir()}
    return {name: count for name, count in counted.items() if count}


def _files(folder: Path) -> int:
    """At most _COUNT_MAX; links to folders are not followed, and folders that cannot be read do not count."""
    count = 0
    for _, _, names in os.walk(folder):
        count += sum(1 for name in names if not name.startswith((".", "put_")))
        if count >= _COUNT_MAX:
            return _COUNT_MAX
    return count
