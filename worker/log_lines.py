"""How the worker writes its log: one JSON object a line, ComfyUI's own lines among them."""

import json
import logging
import sys
from datetime import UTC, datetime

from worker.redact import Redact


class JsonLines(logging.Formatter):
    def __init__(self, redact: Redact) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact.text(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = self._redact.text(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


def write_log(redact: Redact) -> None:
    """From now on the log goes to standard error."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(JsonLines(redact))
    logging.basicConfig(level=logging.INFO, handlers=[lines], force=True)
