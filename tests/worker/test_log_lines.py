"""The worker's log: one JSON object a line."""

import asyncio
import json
import logging
import sys
from pathlib import Path
from typing import Any

from worker.log_lines import JsonLines
from worker.redact import Redact

PROJECT = Path(__file__).parents[2]


def line(message: str, *args: object, exc_info: Any = None, secrets: tuple[str, ...] = ()) -> dict[str, Any]:
    record = logging.LogRecord("worker.session", logging.WARNING, "x.py", 1, message, args, exc_info)
    text = JsonLines(Redact(secrets)).format(record)
    assert "\n" not in text
    value: dict[str, Any] = json.loads(text)
    return value


def test_a_line_says_when_how_bad_where_and_what() -> None:
    found = line("%s: submitted %d", "p", 3)

    assert set(found) == {"time", "level", "logger", "message"}
    assert found["time"].endswith("+00:00")
    assert (found["level"], found["logger"], found["message"]) == ("WARNING", "worker.session", "p: submitted 3")


def raised(message: str) -> Any:
    """What sys.exc_info says within an except clause."""
    error = ValueError(message)
    try:
        raise error
    except ValueError:
        return sys.exc_info()


def test_an_exception_stays_within_its_line() -> None:
    found = line("failed", exc_info=raised("wrong\nvalue"))

    assert "ValueError: wrong\nvalue" in found["exception"]
    assert "Traceback" in found["exception"]


def test_secrets_are_taken_out_of_the_message_and_of_the_exception() -> None:
    secret = "sesame-open-sesame"
    found = line("token %s", secret, exc_info=raised(secret), secrets=(secret,))

    assert secret not in json.dumps(found)


def test_every_character_can_be_read() -> None:
    assert line("é 🙂 \x1b[31m")["message"] == "é 🙂 \x1b[31m"


async def test_the_log_goes_to_standard_error_from_its_first_line_on() -> None:
    code = (
        "import logging; from worker.log_lines import write_log; from worker.redact import Redact;"
        "write_log(Redact(['sesame-open-sesame'])); logging.getLogger('comfyui').info('got %s', 'sesame-open-sesame');"
        "logging.getLogger('x').debug('too much')"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=PROJECT
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)

    (only,) = err.decode().splitlines()
    assert json.loads(only)["message"] == "got [secret]"
    assert out == b""
