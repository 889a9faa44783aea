"""The code that ``runpodctl send`` prints, which the other side types.

Source: runpodctl cmd/transfer/croc.go, 1.x and 2.x: the latter writes the same text in lower case. The code ends with
the number of the relay, without which it cannot be received.
"""

import re

_CODE = r"\d+(?:-[A-Za-z]+)+-\d+"
_LINES = re.compile(rf"(?:runpodctl\s+receive\s+(?P<told>\S+)|code\s+is:\s*(?P<named>\S+)|^(?P<bare>{_CODE})$)", re.I)


def transfer_code(line: str) -> str | None:
    """The code in a line of its output, if it has one."""
    match = _LINES.search(line.strip())
    return next(filter(None, match.groups()), None) if match else None
