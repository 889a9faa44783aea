"""Lines of the log."""

import logging

from proxy.log_lines import PlainLines


def line(text: str, *secrets: str, error: BaseException | None = None) -> str:
    lines = PlainLines()
    lines.hide(*secrets)
    record = logging.LogRecord(
        "proxy", logging.INFO, "", 0, "%s", (text,), (type(error), error, None) if error else None
    )
    return lines.format(record)


def test_nothing_in_a_line_steers_the_terminal() -> None:
    assert line("\x1b[2Jover\x08").endswith("INFO    proxy: \\x1b[2Jover\\x08")


def test_a_secret_is_in_no_line_and_in_no_traceback() -> None:
    text = line("GET /?token=s3cret", "s3cret", error=ValueError("s3cret is wrong"))

    assert "s3cret" not in text
    assert text.count("[secret]") == 2
