"""What a failure report of the worker contains, and how the worker writes its log."""

import json
import logging
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Versions:
    sdk: str
    """of RunPod's SDK"""
    comfyui: str | None = None


def report(versions: Versions, log_tail: list[str]) -> dict[str, Any]:
    """No secrets, no environment: versions and the last lines of ComfyUI's log."""
    return {"comfyui_version": versions.comfyui, "runpod_sdk": versions.sdk, "log_tail": log_tail}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname, "logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
