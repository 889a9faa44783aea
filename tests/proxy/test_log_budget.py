"""No line of the program fills the log, and none hides another."""

import logging

import pytest

from proxy.log_budget import LENGTH_MAX, PER_MINUTE, LogBudget


class Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.lines: list[str] = []
        self.addFilter(LogBudget(lambda: self.now_s))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def logger(log: Log) -> logging.Logger:
    logger = logging.getLogger("of a test of the log's budget")
    logger.handlers = [log]
    return logger


def repeat(logger: logging.Logger, times: int) -> None:
    for number in range(times):
        logger.warning("refused %d", number)


def test_what_is_seldom_is_never_left_out(log: Log, logger: logging.Logger) -> None:
    repeat(logger, PER_MINUTE)

    assert log.lines == [f"refused {number}" for number in range(PER_MINUTE)]


def test_of_one_kind_there_are_so_many_a_minute_and_the_others_are_counted(log: Log, logger: logging.Logger) -> None:
    repeat(logger, 10_000)
    log.now_s += 61
    repeat(logger, 2)

    assert len(log.lines) == PER_MINUTE + 2
    assert log.lines[-2:] == [f"refused 0 (and {10_000 - PER_MINUTE} more of this kind before)", "refused 1"]


def test_one_kind_does_not_hide_another(log: Log, logger: logging.Logger) -> None:
    repeat(logger, 10_000)
    logger.error("something else")

    assert log.lines[-1] == "something else"


def test_a_long_line_is_cut(log: Log, logger: logging.Logger) -> None:
    logger.warning("refused %s", "x" * 100_000)

    assert log.lines == ["refused " + "x" * (LENGTH_MAX - 8)]
