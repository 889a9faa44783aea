"""How the proxy writes its log: lines for the person who started it."""

import logging
import sys

from proxy.log_budget import LogBudget
from wire.plain_text import printable

_CHATTY = ("mitmproxy", "aiohttp", "asyncio")


class PlainLines(logging.Formatter):
    """Nothing in a line steers the terminal that shows it, for a worker's words are in the log; and no secret is."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._secrets: tuple[str, ...] = ()

    def hide(self, *secrets: str) -> None:
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return printable(text)


def write_log(level: int) -> PlainLines:
    """From now on the log goes to standard error."""
    lines, handler = PlainLines(), logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    handler.addFilter(LogBudget())
    logging.basicConfig(level=level, handlers=[handler])
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(max(level, logging.INFO if level == logging.DEBUG else logging.WARNING))
    return lines
